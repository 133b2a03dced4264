"""What a person sees while a system starts: a live list on a terminal, plain lines elsewhere; then a table of addresses."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import click

from atoll.cli.names import shown
from atoll.platform.local.progress import Progress


class Screen(Protocol):
    """Where progress goes."""

    def show(self, progress: Progress) -> None: ...

    def end(self) -> None:
        """Leave the live list; what follows is plain lines."""

    def summary(self, status: Mapping[str, Any], hints: Sequence[str], last: str) -> None: ...


def make_screen(*, quiet: bool) -> Screen:
    """Quiet for JSON; else live on a terminal, plain elsewhere."""
    if quiet:
        return Quiet()
    if sys.stdout.isatty():
        from atoll.cli.live import Live

        return Live()
    return Plain()


class Plain:
    """One line each."""

    def show(self, progress: Progress) -> None:
        click.echo(line(progress))

    def end(self) -> None:
        """Nothing is live."""

    def summary(self, status: Mapping[str, Any], hints: Sequence[str], last: str) -> None:
        rows = addresses(status)
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for name, url, pid in rows:
            click.echo(f"{name:<{widths[0]}}  {url:<{widths[1]}}  {pid}".rstrip())
        for hint in filled(hints, status):
            click.echo(hint)
        click.echo(f"{status['system']} is ready. {last}")


class Quiet:
    """Says nothing, except what went wrong."""

    def show(self, progress: Progress) -> None:
        if progress.stage in {"failed", "note"}:
            click.echo(line(progress), err=True)

    def end(self) -> None:
        """Nothing is live."""

    def summary(self, status: Mapping[str, Any], hints: Sequence[str], last: str) -> None:
        """The JSON object is the summary."""


def line(progress: Progress) -> str:
    """``  0.42 s  orders-1  ready  http://127.0.0.1:21000``."""
    return f"{progress.seconds:7.2f} s  {shown(progress.name):<16} {progress.stage:<10} {progress.text}".rstrip()


_FIRST = frozenset({"envoy", "dashboard"})


def addresses(status: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, url, pid) of all that runs; the gateway first."""
    rows = []
    if status["gateway"]:
        rows.append(("gateway", status["gateway"], _pid(status["parts"].get("envoy", {}))))
    if status["dashboard"]:
        rows.append(("dashboard", status["dashboard"], _pid(status["parts"].get("dashboard", {}))))
    for service in status["services"].values():
        rows += [(instance["instance"], instance["url"], _pid(instance)) for instance in service["instances"]]
    rows += [(name, part["url"], _pid(part)) for name, part in status["parts"].items() if name not in _FIRST]
    return rows


def _pid(process: Mapping[str, Any]) -> str:
    return f"pid {process['pid']}" if process.get("pid") else process.get("state", "")


def filled(hints: Sequence[str], status: Mapping[str, Any]) -> list[str]:
    """The hints with the gateway's URL in them. Plain replacement: a hint may hold other braces (JSON)."""
    return [hint.replace("{gateway}", str(status["gateway"] or "")) for hint in hints]
