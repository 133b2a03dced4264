"""How a rollout is shown: live on a terminal, a line for each change elsewhere, and as a table afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.client import Client
from atoll.cli.moments import shown_seconds
from atoll.cli.tables import print_table

if TYPE_CHECKING:
    from rich.console import RenderableType

WAIT = 20.0  # seconds of one long poll
DECIDED = frozenset({"promoted", "rolled back", "warm", "retiring"})
_BAR = 40  # characters


def follow(client: Client, service: str, number: int, *, quiet: bool) -> dict[str, Any]:
    """The rollout when it is decided; shown meanwhile. Ctrl-C leaves it running."""
    if quiet:
        return _until_decided(client, service, number, lambda _: None)
    if sys.stdout.isatty():
        return _live(client, service, number)
    shown = 0

    def tell(rollout: dict[str, Any]) -> None:
        nonlocal shown
        for entry in rollout["entries"][shown:]:
            click.echo(line(entry))
        shown = len(rollout["entries"])

    return _until_decided(client, service, number, tell)


def _until_decided(client: Client, service: str, number: int, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    revision = 0
    while True:
        found = client.call("GET", f"/v1/rollouts/{service}/latest?after={revision}&wait={WAIT:g}")
        if found["number"] != number:  # another one has begun since
            found = client.call("GET", f"/v1/rollouts/{service}/{number}")
        tell(found)
        if found["phase"] in DECIDED:
            return found
        revision = found["revision"]


def line(entry: dict[str, Any]) -> str:
    """``  12.0 s    5 %  stepping      go on       214 requests, all checks passed``."""
    return f"{entry['at']:7.1f} s {entry['share']:4d} %  {entry['phase']:<12} {entry['decision']:<11} {entry['text']}".rstrip()


def outcome(rollout: dict[str, Any]) -> str:
    """One sentence of how it ended."""
    name = f"{rollout['service']} rollout {rollout['number']}"
    if rollout["phase"] == "rolled back":
        return f"{name}: {rollout['release']} was rolled back to {rollout['stable']}: {rollout['reason']}"
    if rollout["phase"] == "warm":
        kept = f"{rollout['stable']} stays for {rollout['plan']['warm']:g} s, to go back to"
        return f"{name}: {rollout['release']} has all of the traffic; {kept}"
    if rollout["phase"] == "retiring":
        return f"{name}: {rollout['release']} has all of the traffic; {rollout['stable']} drains and ends"
    return f"{name}: promoted: {rollout['reason']}"


def over(rollout: dict[str, Any]) -> bool:
    """Whether nothing more happens in it."""
    return rollout["phase"] in {"promoted", "rolled back"}


def show(rollout: dict[str, Any]) -> None:
    """What was measured and decided, as a table; what each check said below it."""
    plan = rollout["plan"]
    click.echo(
        f"{rollout['service']} rollout {rollout['number']}: {rollout['release']} beside {rollout['stable']}, {plan['strategy']}, "
        f"{rollout['phase']} at {rollout['share']} %{', paused' if rollout['paused'] else ''}"
    )
    if rollout["reason"]:
        click.echo(rollout["reason"])
    click.echo("")
    titles = ("AT", "SHARE", "REQUESTS", "ERRORS", "P99", "STABLE ERRORS", "STABLE P99", "DECISION", "WHY")
    print_table(titles, [_row(entry) for entry in rollout["entries"]])
    for entry in rollout["entries"]:
        for finding in entry["findings"]:
            if finding["outcome"] != "passed":
                click.echo(f"{entry['share']} %  {finding['check']}: {finding['outcome']}: {finding['text']}")


def listing(rollouts: list[dict[str, Any]]) -> None:
    """One line each."""
    titles = ("SERVICE", "NO", "RELEASE", "BEFORE", "STRATEGY", "STATE", "SHARE", "TOOK", "REASON")
    print_table(titles, [_brief(one) for one in rollouts])


def _brief(one: dict[str, Any]) -> tuple[object, ...]:
    state = f"{one['phase']}, paused" if one["paused"] else one["phase"]
    took = shown_seconds(one["took"]) if one["took"] else None
    strategy = one["plan"]["strategy"]
    share = f"{one['share']} %"
    return (
        one["service"],
        one["number"],
        one["release"],
        one["stable"],
        strategy,
        state,
        share,
        took,
        one["reason"] or "-",
    )


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    canary, stable = entry["canary"] or {}, entry["stable"] or {}
    return (
        f"{entry['at']:.1f} s", f"{entry['share']} %", _count(canary), _errors(canary), _p99(canary), _errors(stable),
        _p99(stable), f"{entry['phase']}: {entry['decision']}", entry["text"],
    )  # fmt: skip


def _count(figures: dict[str, Any]) -> str | None:
    return f"{figures['requests']:.0f}" if figures else None


def _errors(figures: dict[str, Any]) -> str | None:
    return f"{figures['error_rate']:.2%}" if figures and figures["requests"] else None


def _p99(figures: dict[str, Any]) -> str | None:
    return f"{figures['p99'] * 1000:.1f} ms" if figures and figures["p99"] is not None else None


def _live(client: Client, service: str, number: int) -> dict[str, Any]:
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with Live(console=console, refresh_per_second=8) as live:
        return _until_decided(client, service, number, lambda rollout: live.update(_picture(rollout)))


def _picture(rollout: dict[str, Any]) -> RenderableType:
    """A bar of the traffic, the two releases side by side, and what was decided so far."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    new, old = rollout["release"], rollout["stable"]
    part = round(_BAR * rollout["share"] / 100)
    bar = Text.assemble(("█" * part, "cyan"), ("█" * (_BAR - part), "grey50"), f"  {rollout['share']} % {new}")
    state = f"{rollout['phase']}{', paused' if rollout['paused'] else ''}"
    head = Text.assemble(
        (f"{rollout['service']} rollout {rollout['number']}", "bold"), f"  {rollout['plan']['strategy']}  {state}"
    )
    table = Table.grid(padding=(0, 3))
    table.add_row("", "requests", "errors", "p99", "ready", style="dim")
    if rollout["points"]:
        last = rollout["points"][-1]
        for name, figures in ((new, last["canary"]), (old, last["stable"])):
            ready = f"{figures['ready']} of {figures['instances']}"
            table.add_row(Text(name, style="bold"), _count(figures), _errors(figures), _p99(figures), ready)
    lines = [Text(line(entry), style=_STYLES.get(entry["decision"], "")) for entry in rollout["entries"][-8:]]
    return Group(head, bar, table, Text(""), *lines)


_STYLES = {
    "go on": "green",
    "promoted": "green",
    "go back": "red",
    "rolled back": "red",
    "watch on": "yellow",
    "begin": "dim",
}
