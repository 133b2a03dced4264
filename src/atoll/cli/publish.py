"""``atoll publish``: the system, written for engines that run elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from atoll.cli.client import Client
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.platform.publish import Files, Target
    from atoll.system import System


@click.group("publish")
def command() -> None:
    """Write the system for engines that run elsewhere: prometheus, grafana."""


@command.command("prometheus")
@click.option("--to", "to", default="prometheus", show_default=True, metavar="DIR", help="The folder to write to.")
@click.option(
    "--interval", default=15.0, show_default=True, type=click.FloatRange(min=0.1), help="Seconds between scrapes."
)
@json_option
@system_option
@click.pass_context
def prometheus(ctx: click.Context, to: str, interval: float, as_json: bool, system_file: str | None) -> None:
    """Write what to scrape, recording rules, and alerts, those of the SLOs in system.py among them.

    The instances are those that run now; if nothing runs, each service is expected at its name and port 8000.
    """
    from atoll.platform.publish import prometheus_files

    file = system_path(ctx, system_file)
    system = checked(file)
    _told(write(prometheus_files(system, targets(system, Client(file)), interval), Path(to)), as_json)


@command.command("grafana")
@click.option("--to", "to", default="grafana", show_default=True, metavar="DIR", help="The folder to write to.")
@click.option("--prometheus", "url", default="", metavar="URL", help="Where Grafana reaches Prometheus.")
@json_option
@system_option
@click.pass_context
def grafana(ctx: click.Context, to: str, url: str, as_json: bool, system_file: str | None) -> None:
    """Write dashboards, and the files by which Grafana finds them and Prometheus."""
    try:
        from atoll.platform.publish.grafana import PROMETHEUS, grafana_files
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "grafana_foundation_sdk":
            raise
        line = "Grafana's foundation SDK is not installed; run: pip install 'atoll[platform,grafana]'"
        raise Trouble(line) from None
    folder = Path(to)
    system = checked(system_path(ctx, system_file))
    found = grafana_files(system, url or PROMETHEUS, str((folder / "dashboards").resolve()))
    _told(write(found, folder), as_json)


def checked(file: Path) -> System:
    """The system, if nothing is wrong with it; Trouble with the first finding otherwise."""
    from atoll.system.checks import check
    from atoll.system.load import load_system

    system = load_system(file)
    findings = check(system, file.parent)
    if findings:
        raise Trouble(str(findings[0]), tuple(str(one) for one in findings[1:]))
    return system


def targets(system: System, client: Client) -> tuple[Target, ...]:
    """The instances that run now, or those that are to be expected elsewhere."""
    from atoll.platform.publish import Target, expected_targets
    from atoll.platform.publish.targets import measured

    if not client.runs:
        return expected_targets(system)
    running = client.status()["services"]
    return tuple(
        Target(name, instance["instance"], urlsplit(instance["url"]).netloc)
        for name in measured(system)
        for instance in running.get(name, {}).get("instances", ())
    )


def write(files: Files, folder: Path) -> list[Path]:
    """Writes them below the folder; the paths."""
    written = []
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise Trouble(f"{path}: {error.strerror}; name another folder with --to DIR") from None
        written.append(path)
    return written


def _told(paths: list[Path], as_json: bool) -> None:
    if as_json:
        print_json({"files": [str(path) for path in paths]})
        return
    for path in paths:
        click.echo(path)
