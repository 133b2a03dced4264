"""``atoll consumers``: what services consume, and stopping and letting go on one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from atoll.cli.complete import complete_service
from atoll.cli.databases import database_urls, each
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.data import Database
    from atoll.messaging import Consumers, ConsumerView


@click.group("consumers")
def command() -> None:
    """List what services consume, and pause or resume it.

    They are looked up in the running system beside system.py, or in the database that ATOLL_DATABASE_URL names.
    """


@command.command("list")
@click.argument("service", default="", shell_complete=complete_service)
@json_option
@system_option
@click.pass_context
def listing(ctx: click.Context, service: str, as_json: bool, system_file: str | None) -> None:
    """Show what is consumed, by all services or by one: paused, parked and dead messages."""

    async def read(owner: str, database: Database) -> list[tuple[str, ConsumerView]]:
        return [(owner, view) for view in await _consumers(database).list()]

    found = [row for rows in each(database_urls(lambda: system_path(ctx, system_file), service), read) for row in rows]
    if as_json:
        times = ("seen_at", "paused_at")
        print_json([
            {"service": owner, **asdict(view), **{name: _time(getattr(view, name)) for name in times}}
            for owner, view in found
        ])  # fmt: skip
        return
    for owner, view in found:
        click.echo(f"{owner}  {view.subject}  {_state(view)}")
    if not found:
        click.echo("nothing is consumed")


@command.command("pause")
@click.argument("service", shell_complete=complete_service)
@click.argument("subject", default="")
@click.option("--why", default="a person decided so", show_default=True, help="Shown in the list.")
@system_option
@click.pass_context
def pause(ctx: click.Context, service: str, subject: str, why: str, system_file: str | None) -> None:
    """Handle no more messages of a subject, or of any: in all instances, until it is resumed. The broker keeps them."""
    subjects = _change(ctx, system_file, service, lambda consumers: consumers.pause(subject, why=why))
    click.echo(f"{service} consumes no {', '.join(subjects)} until it is resumed; what runs is finished")


@command.command("resume")
@click.argument("service", shell_complete=complete_service)
@click.argument("subject", default="")
@system_option
@click.pass_context
def resume(ctx: click.Context, service: str, subject: str, system_file: str | None) -> None:
    """Go on where it was paused."""
    subjects = _change(ctx, system_file, service, lambda consumers: consumers.resume(subject))
    click.echo(f"{service} consumes {', '.join(subjects)}")


def _change(
    ctx: click.Context,
    system_file: str | None,
    service: str,
    action: Callable[[Consumers], Awaitable[Sequence[str]]],
) -> Sequence[str]:
    from atoll.contracts import NotFound

    async def change(_: str, database: Database) -> Sequence[str]:
        try:
            return await action(_consumers(database))
        except NotFound as error:
            raise Trouble(f"{service}: {error.detail}") from None

    (subjects,) = each(database_urls(lambda: system_path(ctx, system_file), service), change)
    return subjects


def _consumers(database: Database) -> Consumers:
    from atoll.messaging import Consumers

    return Consumers(database)


def _state(view: ConsumerView) -> str:
    state = "running" if view.paused_at is None else f"paused since {_time(view.paused_at)} ({view.why})"
    counts = [f"{count} {name}" for name, count in (("parked", view.parked), ("dead", view.dead)) if count]
    return ", ".join((state, *counts))


def _time(moment: object) -> str | None:
    from datetime import datetime

    return moment.astimezone().isoformat(timespec="seconds") if isinstance(moment, datetime) else None
