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
from atoll.cli.moments import MOMENT
from atoll.cli.names import shown
from atoll.cli.options import json_option, system_path
from atoll.cli.tables import plain_lines
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.cli.log_filter import Filter
    from atoll.platform.local.logtimes import Line

LEVELS = ("debug", "info", "warning", "error", "fatal")
_LOOKED_THROUGH = 1_000_000  # lines of each log, for a filter
_PAUSE = 0.1  # seconds between looks when following
_ACCESS = "access"
_OF_GATEWAY = frozenset({"envoy", _ACCESS})  # Envoy's own log, and one line a request


@click.command("logs")
@click.argument("names", nargs=-1, shell_complete=complete_name)
@click.option("-F", "--follow", "-f", "follow", is_flag=True, help="Go on as lines come.")
@click.option(
    "-n", "--lines", type=click.IntRange(0), default=50, show_default=True, help="Lines of each log to begin with."
)
@click.option("--level", type=click.Choice(LEVELS), help="Only lines as bad as that, or worse.")
@click.option("--grep", default="", metavar="TEXT", help="Only lines with this text, in any case.")
@click.option("--trace", default="", metavar="ID", help="Only lines of this trace ('atoll traces' lists them).")
@click.option("--since", type=MOMENT, help="Only from then on: 10m, 2h, 3d, or 2026-11-23T08:00.")
@json_option
@click.option("--system", "system_file", metavar="PATH", help="The system.py (or its folder).")
@click.pass_context
def command(
    ctx: click.Context, names: tuple[str, ...], follow: bool, lines: int, level: str | None, grep: str, trace: str,
    since: datetime | None, as_json: bool, system_file: str | None,
) -> None:  # fmt: skip
    """Show the logs of all, or of services, instances and parts by name; -f follows them.

    A service means its instances and its migrations; 'gateway' means Envoy and the access log, 'access' the latter alone.
    With a filter the last megabytes of each log are looked through.
    """
    from atoll.cli.log_filter import Filter
    from atoll.platform.local.folder import Folder
    from atoll.platform.local.logs import LIMIT, Follower, tail

    folder = Folder.beside(system_path(ctx, system_file))
    chosen = Filter(level=level or "", text=grep, trace=trace, since=since)
    paths = _chosen(folder.logs, names, access=bool(trace))
    if not paths:
        _refuse(folder.logs, names)
    printer = _Printer(max(len(shown(path.stem)) for path in paths), as_json, chosen, lines)
    follower = Follower()
    texts = {}
    for path in paths:
        follower.begin(path)
        texts[path] = list(tail(path, _LOOKED_THROUGH, LIMIT) if chosen else tail(path, lines))
    printer.begin(texts)
    while follow:
        fresh: dict[Path, list[str]] = defaultdict(list)
        for path, text in follower.new_lines(_chosen(folder.logs, names, access=bool(trace))):
            fresh[path].append(text)
        printer.show(fresh)
        time.sleep(_PAUSE)


def _refuse(folder: Path, names: tuple[str, ...]) -> None:
    there = ", ".join(shown(path.stem) for path in sorted(folder.glob("*.log")))
    known = there or "none yet; start the system with 'atoll up'"
    raise Trouble(f"there are no logs{' of ' + ', '.join(names) if names else ''}; known are {known}")


def _chosen(folder: Path, names: tuple[str, ...], *, access: bool) -> list[Path]:
    """The logs of these names; if there are none all, the access log, which has a line a request, only if it is wanted."""
    every = sorted(folder.glob("*.log"))
    if not names:
        return [path for path in every if access or path.stem != _ACCESS]
    return [path for path in every if any(_belongs(path.stem, name) for name in names)]


def _belongs(stem: str, name: str) -> bool:
    """``orders`` means all of its instances and its migrations."""
    if name == "gateway":
        return stem in _OF_GATEWAY
    rest = stem.removeprefix(f"{name}-")
    return stem == name or (rest != stem and (rest.isdigit() or rest == "migrate"))


class _Printer:
    """Prints lines in the order of their times, and the date wherever it changes."""

    def __init__(self, width: int, as_json: bool, chosen: Filter, most: int) -> None:
        self._width = width
        self._as_json = as_json
        self._chosen = chosen
        self._most = most
        self._day: date | None = None

    def begin(self, texts: dict[Path, list[str]]) -> None:
        """The last lines of each log that were chosen."""
        lasts = (self._fitting(path, some)[-self._most :] for path, some in texts.items() if self._most)
        self._print(line for some in lasts for line in some)

    def show(self, texts: dict[Path, list[str]]) -> None:
        """What came since."""
        self._print(line for path, some in texts.items() for line in self._fitting(path, some))

    def _fitting(self, path: Path, texts: list[str]) -> list[Line]:
        from atoll.platform.local.logtimes import timed

        return [line for line in timed(path.stem, texts, _changed(path)) if self._chosen.takes(line)]

    def _print(self, lines: Iterable[Line]) -> None:
        for line in sorted(lines, key=lambda line: line.when):  # stable: a log keeps its own order
            if self._as_json:
                import json

                click.echo(json.dumps({"name": line.name, "line": line.text}))
                continue
            day = line.when.astimezone().date()
            if day != self._day:
                self._day = day
                click.echo(f"--- {day}")
            click.echo(f"{shown(line.name):<{self._width}} | {plain_lines(line.text)}")


def _changed(path: Path) -> datetime:
    """When the log last changed: close enough to tell the day of its lines."""
    return datetime.fromtimestamp(path.stat().st_mtime if path.exists() else 0, UTC)
