"""``atoll sagas``: what sagas do, and what a person does when one is stuck."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from atoll.cli.complete import complete_service
from atoll.cli.databases import database_urls, each
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.cli.tables import plain_text
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.data import Database
    from atoll.sagas import SagaDetail, Sagas, SagaView

STATES = ("active", "parked", "completed", "compensated")


@click.group("sagas")
def command() -> None:
    """List sagas, show one's history, and repair one that is stuck.

    They are looked up in the running system beside system.py, or in the database that ATOLL_DATABASE_URL names.
    """


@command.command("list")
@click.argument("service", default="", shell_complete=complete_service)
@click.option("--stuck", is_flag=True, help="Only those that wait for a person, or that nobody moves.")
@click.option("--name", default="", help="Only sagas of this name.")
@click.option("--key", default="", help="Only the saga of this business key.")
@click.option("--status", default="", type=click.Choice(("", *STATES)), help="Only those.")
@click.option("-n", "--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="Of each service.")
@json_option
@system_option
@click.pass_context
def listing(
    ctx: click.Context, service: str, stuck: bool, name: str, key: str, status: str, limit: int, as_json: bool,
    system_file: str | None,
) -> None:  # fmt: skip
    """Show the newest sagas, of all services or of one."""

    async def read(owner: str, database: Database) -> list[tuple[str, SagaView]]:
        found = await _sagas(database).list(name=name, key=key, status=status, stuck=stuck, limit=limit)
        return [(owner, view) for view in found]

    urls = database_urls(lambda: system_path(ctx, system_file), service)
    rows = [row for found in each(urls, read) for row in found]
    if as_json:
        print_json([_plain({"service": owner, **asdict(view)}) for owner, view in rows])
        return
    for owner, view in rows:
        click.echo(plain_text(f"{view.id}  {owner}  {view.name}  {view.key}  {view.state}{_why(view)}"))
    if not rows:
        click.echo("no sagas")


@command.command("show")
@click.argument("saga", type=click.UUID)
@json_option
@system_option
@click.pass_context
def show(ctx: click.Context, saga: UUID, as_json: bool, system_file: str | None) -> None:
    """Show one saga: its steps, its events, and what is in the way."""
    detail: SagaDetail = _one(ctx, system_file, lambda sagas: sagas.show(saga), saga)
    if as_json:
        print_json(_plain(asdict(detail)))
        return
    view = detail.saga
    click.echo(plain_text(f"{view.name} {view.key}: {view.state}{_why(view)}"))
    click.echo(f"  started {_time(view.started_at)}, moved {_time(view.moved_at)}, message {view.message}")
    for step in detail.steps:
        due = f", due {_time(step.due)}" if step.due and step.state == "trying" else ""
        tries = f", {step.attempts} attempts" if step.attempts > 1 else ""
        said = step.error or step.result
        told = f"  {step.position:<6} {step.kind:<5} {step.name}: {step.state}{tries}{due}{f'  {said}' if said else ''}"
        click.echo(plain_text(told))
    for event in detail.events:
        click.echo(plain_text(f"  event  {event.subject}: {event.state}, {_time(event.arrived_at)}  {event.data}"))


@command.command("retry")
@click.argument("saga", type=click.UUID)
@system_option
@click.pass_context
def retry(ctx: click.Context, saga: UUID, system_file: str | None) -> None:
    """Try again at once what failed."""
    _one(ctx, system_file, lambda sagas: sagas.retry(saga), saga)
    click.echo(f"{saga} is tried again")


@command.command("skip")
@click.argument("saga", type=click.UUID)
@click.option("--step", default="", help="Which step, if it is not clear.")
@click.option("--result", default=None, metavar="JSON", help="What the step gives back.")
@system_option
@click.pass_context
def skip(ctx: click.Context, saga: UUID, step: str, result: str | None, system_file: str | None) -> None:
    """Go on as if the step that is in the way had completed, for you have seen to it."""
    name = _one(ctx, system_file, lambda sagas: sagas.skip(saga, step=step, result=result), saga)
    click.echo(f"{saga} goes on after {name!r}")


@command.command("compensate")
@click.argument("saga", type=click.UUID)
@click.option("--why", default="a person decided so", show_default=True, help="Kept with the saga.")
@system_option
@click.pass_context
def compensate(ctx: click.Context, saga: UUID, why: str, system_file: str | None) -> None:
    """Take back what was done."""
    _one(ctx, system_file, lambda sagas: sagas.compensate(saga, why=why), saga)
    click.echo(f"{saga} is compensated now")


def _one(ctx: click.Context, system_file: str | None, action: Callable[[Sagas], Awaitable[Any]], saga: UUID) -> Any:
    """What the action gives for the service whose saga it is."""
    from atoll.contracts import Conflict, NotFound

    async def find(_: str, database: Database) -> list[Any]:
        try:
            return [await action(_sagas(database))]
        except NotFound:
            return []
        except Conflict as error:
            raise Trouble(error.detail) from None

    found = each(database_urls(lambda: system_path(ctx, system_file)), find)
    for one in found:
        if one:
            return one[0]
    raise Trouble(f"there is no saga {saga}; look with 'atoll sagas list'")


def _sagas(database: Database) -> Sagas:
    from atoll.sagas import Sagas

    return Sagas(database)


def _why(view: SagaView) -> str:
    parts = [f" ({view.cause})" if view.cause else "", f": {view.trouble}" if view.trouble else ""]
    return "".join(parts)


def _time(moment: datetime) -> str:
    return moment.astimezone().isoformat(timespec="seconds")


def _plain(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _plain(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_plain(value) for value in values]
    if isinstance(values, datetime):
        return values.isoformat()
    return str(values) if isinstance(values, UUID) else values
