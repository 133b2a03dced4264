"""The live list on a terminal: what is starting, how long, where it is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from atoll.cli.names import shown
from atoll.cli.screen import addresses, filled
from atoll.platform.local.progress import Progress

_MARKS = {"ready": ("✓", "green"), "failed": ("✗", "red"), "note": ("·", "yellow"), "stopped": ("✓", "dim")}


class Row:
    """One line of the list."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.took = 0.0
        self.stage = ""
        self.text = ""
        self.spinner = Spinner("dots", style="cyan")

    def take(self, progress: Progress) -> None:
        if progress.stage == "starting" and self.stage not in {"", "starting"}:
            self.began = time.monotonic()
        self.stage, self.text = progress.stage, progress.text or self.text
        self.took = time.monotonic() - self.began


class Live:
    """Shows each process on a line of its own until all is ready; afterwards plain lines."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._rows: dict[str, Row] = {}
        self._live: RichLive | None = None
        self._ended = False

    def show(self, progress: Progress) -> None:
        if progress.stage == "note":
            self.console.print(Text(f"· {progress.text}", style="yellow"))
        elif self._ended:
            mark, style = _MARKS.get(progress.stage, ("·", "dim"))
            self.console.print(
                Text(f"{mark} {shown(progress.name)} {progress.stage} {progress.text}".rstrip(), style=style)
            )
        else:
            self._rows.setdefault(progress.name, Row()).take(progress)
            self._refresh()

    def end(self) -> None:
        self._ended = True
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            self._live.stop()
            self._live = None

    def summary(self, status: Mapping[str, Any], hints: Sequence[str], last: str) -> None:
        table = Table.grid(padding=(0, 3))
        for name, url, pid in addresses(status):
            table.add_row(Text(name, style="bold"), Text(url, style="cyan"), Text(pid, style="dim"))
        self.console.print(Text(f"\n{status['system']} is ready\n", style="bold green"), table, sep="")
        if hints:
            self.console.print(Text("\nTry it:", style="bold"))
            for hint in filled(hints, status):
                self.console.print(Text(hint), soft_wrap=True)  # whole lines, to be copied
        self.console.print(Text(f"\n{last}", style="dim"))

    def _refresh(self) -> None:
        if self._live is None:
            self._live = RichLive(console=self.console, refresh_per_second=12, get_renderable=self._table)
            self._live.start()

    def _table(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for name, row in self._rows.items():
            mark, style = _MARKS.get(row.stage, ("", "cyan"))
            first = Text(mark, style=style) if mark else row.spinner
            took = row.took if mark else time.monotonic() - row.began
            seconds = Text(f"{took:.2f} s", style="dim")
            table.add_row(
                first,
                Text(shown(name), style="bold"),
                Text(row.stage, style=style),
                seconds,
                Text(row.text, style="cyan"),
            )
        return Group(table)
