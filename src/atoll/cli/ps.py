"""``atoll ps``: what runs, and where."""

from __future__ import annotations

import click

from atoll.cli.client import Client
from atoll.cli.options import json_option, print_json, system_option, system_path


@click.command("ps")
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, system_file: str | None) -> None:
    """Show what runs, and where."""
    status = Client(system_path(ctx, system_file)).status()
    if as_json:
        print_json(status)
        return
    rows = [
        ("envoy" if name == "envoy" else name, part["state"], part["pid"], part["restarts"], part["url"])
        for name, part in status["parts"].items()
    ]
    for service in status["services"].values():
        rows += [
            (item["instance"], item["state"], item["pid"], item["restarts"], item["url"])
            for item in service["instances"]
        ]
    click.echo(f"{'NAME':<20} {'STATE':<11} {'PID':>8} {'RESTARTS':>8}  URL")
    for name, state, pid, restarts, url in rows:
        click.echo(f"{name:<20} {state:<11} {pid or '-':>8} {restarts:>8}  {url}")
