"""``atoll logs``: what the processes said."""

from __future__ import annotations

import time
from pathlib import Path

import click

from atoll.cli.complete import complete_service
from atoll.cli.options import json_option, system_path
from atoll.system.trouble import Trouble

_PAUSE = 0.1  # seconds between looks when following


@click.command("logs")
@click.argument("names", nargs=-1, shell_complete=complete_service)
@click.option("-F", "--follow", "-f", "follow", is_flag=True, help="Go on as lines come.")
@click.option(
    "-n", "--lines", type=click.IntRange(0), default=50, show_default=True, help="Lines of each log to begin with."
)
@json_option
@click.option("--system", "system_file", metavar="PATH", help="The system.py (or its folder).")
@click.pass_context
def command(
    ctx: click.Context, names: tuple[str, ...], follow: bool, lines: int, as_json: bool, system_file: str | None
) -> None:
    """Show the logs of all, or of services, instances and parts by name; -f follows them."""
    from atoll.platform.local.folder import Folder
    from atoll.platform.local.logs import Follower, tail

    folder = Folder.beside(system_path(ctx, system_file))
    paths = _chosen(folder.logs, names)
    if not paths:
        known = (
            ", ".join(path.stem for path in _chosen(folder.logs, ())) or "none yet; start the system with 'atoll up'"
        )
        raise Trouble(f"there are no logs{' of ' + ', '.join(names) if names else ''}; known are {known}")
    width = max(len(path.stem) for path in paths)
    follower = Follower()
    for path in paths:
        follower.begin(path)
        for text in tail(path, lines):
            _print(path, text, width, as_json)
    while follow:
        for path, text in follower.new_lines(_chosen(folder.logs, names)):
            _print(path, text, width, as_json)
        time.sleep(_PAUSE)


def _chosen(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The logs of these names: ``orders`` means all of its instances and its migrations."""
    every = sorted(folder.glob("*.log"))
    if not names:
        return [path for path in every if path.stem != "access"]
    return [path for path in every if any(path.stem == name or _belongs(path.stem, name) for name in names)]


def _belongs(stem: str, service: str) -> bool:
    rest = stem.removeprefix(f"{service}-")
    return rest != stem and (rest.isdigit() or rest == "migrate")


def _print(path: Path, text: str, width: int, as_json: bool) -> None:
    if as_json:
        import json

        click.echo(json.dumps({"name": path.stem, "line": text}))
    else:
        click.echo(f"{path.stem:<{width}} | {text}")
