"""``atoll events``: what passes on the broker, publishing by hand, publishing again, and who publishes what."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.brokers import BrokerAt, broker_at
from atoll.cli.complete import complete_service
from atoll.cli.moments import MOMENT, shown_time
from atoll.cli.operating import databases_of, plain, run
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.cli.tables import plain_text, print_table
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.operate import PassingEvent
    from atoll.system import Service, System
    from atoll.system.events import EventUse, ServiceEvents

RECENT = timedelta(minutes=10)


@click.group("events")
def command() -> None:
    """Show events as they pass, publish one by hand, publish a stretch of time again, list who publishes what."""


@command.command("tail")
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...")
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option(
    "--since", type=MOMENT, help="From then on: 10m, 2h, 3d, or 2026-11-23T08:00.  [default: 10m; now, with -f]"
)
@click.option("--key", default="", help="Only those of this ordering key.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@click.option("--system", "system_file", metavar="PATH", help="The system.py (or its folder).")
@click.pass_context
def tail(
    ctx: click.Context, subjects: tuple[str, ...], follow: bool, since: datetime | None, key: str, as_json: bool,
    system_file: str | None,
) -> None:  # fmt: skip
    """Show events as they pass on the broker. It only looks on: no consumer gets less.

    The broker is that of the running system beside system.py, or what ATOLL_BROKER_URL and ATOLL_SYSTEM name.
    """
    for subject in subjects:
        _require_subject(subject)
    at = broker_at(lambda: system_path(ctx, system_file))
    begin = since or (None if follow else datetime.now(UTC) - RECENT)
    try:
        run(_tail(at, subjects, begin, follow=follow, key=key, as_json=as_json))
    except KeyboardInterrupt:
        return


@command.command("publish")
@click.argument("subject")
@click.option("--data", required=True, metavar="JSON", help="The event's fields; @FILE reads a file, - standard input.")
@click.option("--as", "owner", default="", shell_complete=complete_service, help="The service, if several publish it.")
@system_option
@click.pass_context
def publish(ctx: click.Context, subject: str, data: str, owner: str, system_file: str | None) -> None:
    """Publish one event by hand: checked against its contract, and put into the outbox of the service that owns it."""
    from atoll.cli.databases import database_urls
    from atoll.platform.local.asking import ask
    from atoll.system.load import load_system

    _require_subject(subject)
    body = _body(data)
    file = system_path(ctx, system_file)
    system = load_system(file)
    service = _owner(system, file.parent, subject, owner)
    url = database_urls(lambda: file, service.name)[service.name]
    click.echo(
        ask(system, file.parent, service, "--publish", subject, body=body, told={"ATOLL_DATABASE_URL": url}).strip()
    )


@command.command("republish")
@click.argument("service", shell_complete=complete_service)
@click.option(
    "--since", type=MOMENT, required=True, help="What was written from then on: 10m, 2h, or 2026-11-23T08:00."
)
@click.option("--until", type=MOMENT, default="now", show_default=True, help="And before that.")
@click.option("--subject", default="", help="Only events of this subject.")
@json_option
@system_option
@click.pass_context
def republish(
    ctx: click.Context,
    service: str,
    since: datetime,
    until: datetime,
    subject: str,
    as_json: bool,
    system_file: str | None,
) -> None:
    """Publish again what a service wrote in a stretch of time, for a broker that lost it. Who has handled an event knows it."""
    from atoll.operate import republish

    if since >= until:
        raise click.UsageError(f"--since {shown_time(since)} is not before --until {shown_time(until)}")
    if subject:
        _require_subject(subject)
    done = run(republish(databases_of(ctx, system_file, service), service, since, until, subject=subject))
    if as_json:
        print_json({"service": service, "events": done.events, "since": since.isoformat(), "until": until.isoformat()})
    else:
        click.echo(
            f"{done.events} events of {service} are published again ({shown_time(since)} to {shown_time(until)})"
        )


@command.command("list")
@json_option
@system_option
@click.pass_context
def listing(ctx: click.Context, as_json: bool, system_file: str | None) -> None:
    """Show which service publishes and consumes what, with versions. The services' code is asked; nothing has to run."""
    from atoll.platform.local.asking import events_of
    from atoll.system.events import subjects_of
    from atoll.system.load import load_system

    file = system_path(ctx, system_file)
    services = events_of(load_system(file), file.parent)
    found = subjects_of(services)
    if as_json:
        print_json(
            {
                "events": [
                    {
                        "subject": one.subject,
                        "publishers": [_used(*use) for use in one.publishers],
                        "consumers": [_used(*use) for use in one.consumers],
                    }
                    for one in found
                ],
                "unknown": {service.service: service.unknown for service in services if service.unknown},
            }
        )
        return
    rows = [(one.subject, _key(one.publishers), _names(one.publishers), _names(one.consumers)) for one in found]
    print_table(("SUBJECT", "KEY", "PUBLISHED BY", "CONSUMED BY"), rows)
    for service in services:
        if service.unknown:
            click.echo(f"{service.service} could not be asked: {service.unknown}", err=True)


async def _tail(
    at: BrokerAt, subjects: tuple[str, ...], since: datetime | None, *, follow: bool, key: str, as_json: bool
) -> None:
    from atoll.messaging import open_broker
    from atoll.operate import watch

    try:
        broker = open_broker(at.url, system=at.system)
    except ValueError as error:
        raise Trouble(f"the broker: {error}") from None
    await broker.start()
    passing = watch(broker, subjects, since=since, follow=follow, key=key)
    try:
        async for event in passing:
            click.echo(json.dumps(plain(event), ensure_ascii=False) if as_json else _line(event))
    except asyncio.CancelledError:  # Ctrl-C
        return
    finally:
        await passing.aclose()
        await broker.stop()


def _line(event: PassingEvent) -> str:
    data = event.data if event.trouble else json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    trouble = f"  UNREADABLE: {event.trouble}" if event.trouble else ""
    version = f" v{event.version}" if event.version > 1 else ""
    where = f"{event.source or '?'}  {event.subject}{version}  {event.key}"
    return plain_text(f"{shown_time(event.time)}  {where}  {data}{trouble}")


def _require_subject(subject: str) -> None:
    from atoll.contracts.events import MAX_SUBJECT, SUBJECT

    if not SUBJECT.fullmatch(subject) or len(subject) > MAX_SUBJECT:
        raise click.UsageError(f"{subject[:60]!r} is no subject; one is like order.created (see 'atoll events list')")


def _body(data: str) -> bytes:
    """The JSON that is meant; its shape is the contract's business."""
    try:
        text = sys.stdin.read() if data == "-" else data
        text = Path(data[1:]).read_text("utf-8") if data.startswith("@") else text
        json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"--data {data}: {error}") from None
    except ValueError as error:
        raise click.UsageError(f"--data is no JSON: {error}") from None
    return text.encode()


def _owner(system: System, root: Path, subject: str, wanted: str) -> Service:
    """The service that publishes the subject: the one named, or the only one."""
    from atoll.platform.local.asking import events_of

    if wanted:
        if wanted not in {service.name for service in system.services}:
            known = ", ".join(service.name for service in system.services)
            raise Trouble(f"--as {wanted}: there is no such service; known are {known}")
        return system.service(wanted)
    services = events_of(system, root)
    owners = [one.service for one in services if any(use.subject == subject for use in one.publishes)]
    if len(owners) > 1:
        raise Trouble(f"{subject} is published by {' and '.join(owners)}; say which with --as")
    if not owners:
        known = ", ".join(sorted({use.subject for one in services for use in one.publishes})) or "none"
        unknown = "".join(f"; {one.service} could not be asked: {one.unknown}" for one in services if one.unknown)
        raise Trouble(f"nobody publishes {subject}; published are: {known}{unknown}")
    return system.service(owners[0])


def _used(service: ServiceEvents, use: EventUse) -> dict[str, Any]:
    return {"service": service.service, "version": use.version or None, "key": use.key or None}


def _names(uses: list[tuple[ServiceEvents, EventUse]]) -> str:
    return ", ".join(f"{service.service}{f' v{use.version}' if use.version else ''}" for service, use in uses) or "-"


def _key(uses: list[tuple[ServiceEvents, EventUse]]) -> str:
    return next((use.key for _, use in uses if use.key), "-")
