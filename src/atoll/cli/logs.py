"""``atoll logs``: what the processes said, in the order of time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from atoll.cli.complete import complete_name
from atoll.cli.names import shown
from atoll.cli.options import json_option, system_path
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.platform.local.logtimes import Line

_PAUSE = 0.1  # seconds between looks when following
_ACCESS = "access"
_OF_GATEWAY = frozenset({"envoy", _ACCESS})  # Envoy's own log, and one line a request


@click.command("logs")
@click.argument("names", nargs=-1, shell_complete=complete_name)
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
    """Show the logs of all, or of services, instances and parts by name; -f follows them.

    A service means its instances and its migrations; 'gateway' means Envoy and the access log, 'access' the latter alone.
    """
    from atoll.platform.local.folder import Folder
    from atoll.platform.local.logs import Follower, tail

    folder = Folder.beside(system_path(ctx, system_file))
    paths = _chosen(folder.logs, names)
    if not paths:
        _refuse(folder.logs, names)
    printer = _Printer(max(len(shown(path.stem)) for path in paths), as_json)
    follower = Follower()
    texts = {}
    for path in paths:
        follower.begin(path)
        texts[path] = list(tail(path, lines))
    printer.show(texts)
    while follow:
        fresh: dict[Path, list[str]] = defaultdict(list)
        for path, text in follower.new_lines(_chosen(folder.logs, names)):
            fresh[path].append(text)
        printer.show(fresh)
        time.sleep(_PAUSE)


def _refuse(folder: Path, names: tuple[str, ...]) -> None:
    there = ", ".join(shown(path.stem) for path in sorted(folder.glob("*.log")))
    known = there or "none yet; start the system with 'atoll up'"
    raise Trouble(f"there are no logs{' of ' + ', '.join(names) if names else ''}; known are {known}")


def _chosen(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The logs of these names; all without the access log, which has a line a request, if there are none."""
    every = sorted(folder.glob("*.log"))
    if not names:
        return [path for path in every if path.stem != _ACCESS]
    return [path for path in every if any(_belongs(path.stem, name) for name in names)]


def _belongs(stem: str, name: str) -> bool:
    """``orders`` means all of its instances and its migrations."""
    if name == "gateway":
        return stem in _OF_GATEWAY
    rest = stem.removeprefix(f"{name}-")
    return stem == name or (rest != stem and (rest.isdigit() or rest == "migrate"))


class _Printer:
    """Prints lines in the order of their times, and the date wherever it changes."""

    def __init__(self, width: int, as_json: bool) -> None:
        self._width = width
        self._as_json = as_json
        self._day: date | None = None

    def show(self, texts: dict[Path, list[str]]) -> None:
        from atoll.platform.local.logtimes import timed

        lines = [line for path, some in texts.items() for line in timed(path.stem, some, _changed(path))]
        self._print(sorted(lines, key=lambda line: line.when))  # stable: a log keeps its own order

    def _print(self, lines: Iterable[Line]) -> None:
        for line in lines:
            if self._as_json:
                import json

                click.echo(json.dumps({"name": line.name, "line": line.text}))
                continue
            day = line.when.astimezone().date()
            if day != self._day:
                self._day = day
                click.echo(f"--- {day}")
            click.echo(f"{shown(line.name):<{self._width}} | {line.text}")


def _changed(path: Path) -> datetime:
    """When the log last changed: close enough to tell the day of its lines."""
    return datetime.fromtimestamp(path.stat().st_mtime if path.exists() else 0, UTC)
