"""``atoll fault``: delays and errors on purpose, between two parts of the running system, for a while."""

from __future__ import annotations

import re
from typing import Any

import click

from atoll.cli.client import Client
from atoll.cli.options import json_option, print_json, system_option, system_path

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


def seconds(_ctx: click.Context, _parameter: click.Parameter, text: str) -> float:
    """``250ms``, ``2s``, ``1m`` or a number of seconds."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is not like 250ms, 2s or 1m")
    return float(found[1]) * _UNITS[found[2]]


def share(_ctx: click.Context, _parameter: click.Parameter, text: str) -> float:
    """``30%`` or ``0.3``."""
    number = text.strip().removesuffix("%")
    try:
        value = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not like 30%") from None
    if not 0 <= value <= 1:
        raise click.BadParameter(f"{text!r} is not between 0% and 100%")
    return value


@click.group("fault")
def command() -> None:
    """Add delays and errors between two parts of the running system, list them, clear them."""


@command.command("add")
@click.argument("edge", metavar="CALLER->SERVICE")
@click.option("--delay", default="0s", callback=seconds, metavar="TIME", help="Each call waits so long: 250ms, 2s.")
@click.option(
    "--share", "waiting", default="100%", callback=share, metavar="SHARE", help="Only so many calls wait: 1%."
)
@click.option("--error", default="0%", callback=share, metavar="SHARE", help="So many calls fail: 30%.")
@click.option("--status", default=503, show_default=True, help="With this status.")
@click.option(
    "--for", "lasting", default="1m", show_default=True, callback=seconds, metavar="TIME", help="Then it ends."
)
@json_option
@system_option
@click.pass_context
def add(
    ctx: click.Context, edge: str, delay: float, waiting: float, error: float, status: int, lasting: float,
    as_json: bool, system_file: str | None,
) -> None:  # fmt: skip
    """Order a fault, such as: atoll fault add 'orders->payments' --delay 2s --error 30% --for 1m.

    gateway->orders is the edge: Envoy applies it. Quote the edge: '>' means something to the shell.
    """
    order = {"edge": edge, "delay": delay, "share": waiting, "error": error, "status": status, "seconds": lasting}
    _show(Client(system_path(ctx, system_file)).call("POST", "/v1/faults", order), as_json)


@command.command("list")
@json_option
@system_option
@click.pass_context
def listing(ctx: click.Context, as_json: bool, system_file: str | None) -> None:
    """Show the faults in force."""
    _show(Client(system_path(ctx, system_file)).call("GET", "/v1/faults"), as_json)


@command.command("clear")
@click.argument("edge", default="", metavar="[CALLER->SERVICE]")
@json_option
@system_option
@click.pass_context
def clear(ctx: click.Context, edge: str, as_json: bool, system_file: str | None) -> None:
    """End the fault of one edge, or all of them."""
    _show(Client(system_path(ctx, system_file)).call("POST", "/v1/faults/clear", {"edge": edge}), as_json)


def _show(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    for one in answer["faults"]:
        parts = [f"delay {one['delay']:g} s{_share(one['share'])}"] if one["delay"] else []
        parts += [f"{one['error']:.0%} errors {one['status']}"] if one["error"] else []
        click.echo(f"{one['edge']}: {', '.join(parts)}, {one['left']:.0f} s left")
    if not answer["faults"]:
        click.echo("no faults")


def _share(share: float) -> str:
    return f" for {share * 100:g} % of the calls" if share < 1 else ""
