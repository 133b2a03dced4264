"""``atoll ps``: what runs, and where."""

from __future__ import annotations

from typing import Any

import click

from atoll.cli.client import Client
from atoll.cli.complete import complete_name
from atoll.cli.figures import add_figures, show_figures
from atoll.cli.names import kind, require_known, shown
from atoll.cli.options import json_option, print_json, system_option, system_path


@click.command("ps")
@click.argument("names", nargs=-1, shell_complete=complete_name)
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], as_json: bool, system_file: str | None) -> None:
    """Show what runs, and where; of services and parts by name, or of all."""
    file = system_path(ctx, system_file)
    status = Client(file).status()
    if names:
        status = _only(status, names)
    add_figures(status["services"], file)
    if as_json:
        print_json(status)
        return
    click.echo(f"{'NAME':<20} {'STATE':<11} {'PID':>8} {'RESTARTS':>8}  URL")
    for name, state, pid, restarts, url in _rows(status):
        click.echo(f"{name:<20} {state:<11} {pid or '-':>8} {restarts:>8}  {url}".rstrip())
    for line in _releases(status["services"]):
        click.echo(line)
    show_figures(status["services"])


def _only(status: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    require_known(names, [*status["services"], *status["parts"]])
    wanted = {kind(name) for name in names}
    chosen = {
        group: {name: it for name, it in status[group].items() if name in wanted} for group in ("services", "parts")
    }
    return {**status, **chosen}


def _releases(services: dict[str, Any]) -> list[str]:
    """A line for each service that runs something else than the working tree: its releases' instances and shares."""
    lines = []
    for name, service in services.items():
        shares = service["shares"]
        releases = dict.fromkeys([service["release"], *shares, *(item["release"] for item in service["instances"])])
        if list(releases) == ["dev"]:
            continue
        told = []
        for release in releases:
            names = [item["instance"] for item in service["instances"] if item["release"] == release]
            told.append(f"{release} {shares.get(release, 0)} % ({', '.join(names) or 'no instance'})")
        lines.append(f"{name}: {', '.join(told)}; stable is {service['release']}")
    return ["", *lines] if lines else []


def _rows(status: dict[str, Any]) -> list[tuple[str, str, int | None, int, str]]:
    rows = [
        (shown(name), part["state"], part["pid"], part["restarts"], part["url"])
        for name, part in status["parts"].items()
    ]
    for name, service in status["services"].items():
        rows += [
            (item["instance"], item["state"], item["pid"], item["restarts"], item["url"])
            for item in service["instances"]
        ] or [(name, "scaled to 0", None, 0, "")]
    return rows
