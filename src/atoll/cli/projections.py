"""``atoll projections``: how far read models are, and making one anew."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.complete import complete_service
from atoll.cli.moments import shown_seconds
from atoll.cli.operating import databases_of, run
from atoll.cli.options import json_option, print_json, system_option
from atoll.cli.tables import one_line, print_table
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.operate import Databases, ProjectionView, Rebuilding

NOT_BEGUN = 15.0  # seconds after which somebody is told that nobody takes the rebuild up


@click.group("projections")
def command() -> None:
    """Show how far the read models are, and make one anew.

    They are looked up in the running system beside system.py, or in the database that ATOLL_DATABASE_URL names.
    """


@command.command("list")
@click.argument("service", default="", shell_complete=complete_service)
@json_option
@system_option
@click.pass_context
def listing(ctx: click.Context, service: str, as_json: bool, system_file: str | None) -> None:
    """Show the projections, of all services or of one."""
    from atoll.operate import list_projection_views

    found = run(list_projection_views(databases_of(ctx, system_file, service)))
    if as_json:
        print_json([as_plain(one) for one in found])
    elif not found:
        click.echo("no projections")
    else:
        print_table(
            ("SERVICE", "PROJECTION", "STATE", "BEHIND", "LAG", "CHECKPOINT", "TROUBLE"), [_row(one) for one in found]
        )


@command.command("rebuild")
@click.argument("service", shell_complete=complete_service)
@click.argument("name")
@click.option("--wait", is_flag=True, help="Until it is done; shows how far it is.")
@click.option("--timeout", default=3600.0, show_default=True, type=click.FloatRange(0.1), help="Seconds, with --wait.")
@system_option
@click.pass_context
def rebuild(ctx: click.Context, service: str, name: str, wait: bool, timeout: float, system_file: str | None) -> None:
    """Make a read model anew from all events, while the old one is read; then the new one takes its place."""
    from atoll.operate import request_rebuild

    databases = databases_of(ctx, system_file, service)
    run(request_rebuild(databases, service, name))
    if not wait:
        click.echo(f"{service} {name} is going to be rebuilt; look with 'atoll projections list {service}'")
        return
    began = time.monotonic()
    run(_follow(databases, service, name, timeout))
    click.echo(f"{service} {name} is rebuilt, in {shown_seconds(time.monotonic() - began)}")


def as_plain(one: ProjectionView) -> dict[str, Any]:
    """As JSON."""
    status = one.status
    return {
        "service": one.service,
        "projection": status.name,
        "state": one.state,
        "behind": status.behind,
        "lag": round(status.lag, 3),
        "checkpoint": str(status.position),
        "building": None if status.building is None else str(status.building),
        "trouble": status.trouble,
    }


def _row(one: ProjectionView) -> tuple[object, ...]:
    status = one.status
    lag = shown_seconds(status.lag) if status.behind else "0 s"
    return one.service, status.name, one.state, status.behind, lag, str(status.position), one_line(status.trouble)


async def _follow(databases: Databases, service: str, name: str, timeout: float) -> None:
    from atoll.operate import follow_rebuild

    shown = ""
    began, warned = time.monotonic(), False
    try:
        async with asyncio.timeout(timeout):
            async for step in follow_rebuild(databases, service, name):
                if (line := _line(step)) != shown:
                    shown = line
                    click.echo(line, err=True)
                if not step.begun and not warned and time.monotonic() - began > NOT_BEGUN:
                    warned = True
                    click.echo(f"no instance of {service} has taken it up yet; does it run?", err=True)
    except TimeoutError:
        raise Trouble(f"{service} {name} is not rebuilt within {timeout:g} s; it goes on") from None


def _line(step: Rebuilding) -> str:
    if not step.begun:
        return "waits for the instance that runs it"
    share = 100 * step.done // max(1, step.events)
    return f"{share:>3} %  {step.done:,} of {step.events:,} events"
