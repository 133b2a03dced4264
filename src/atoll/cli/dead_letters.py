"""``atoll dead-letters``: messages that exhausted their attempts, and what a person does with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from atoll.cli.complete import complete_service
from atoll.cli.moments import MOMENT, shown_time
from atoll.cli.operating import databases_of, run
from atoll.cli.options import json_option, print_json, system_option
from atoll.cli.tables import one_line, plain_lines, plain_text, print_table
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.messaging import DeadLetter, Letters
    from atoll.operate import LetterDetail, LetterOf

F = TypeVar("F", bound=Callable[..., Any])


class Name(click.ParamType[tuple[str, int]]):
    """payments/3: the service, and the dead letter's number there."""

    name = "SERVICE/NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """The two."""
        service, slash, number = str(value).rpartition("/")
        if not (service and slash and number.isdigit() and len(number) < 19):
            self.fail(f"{value!r} is not like payments/3; look with 'atoll dead-letters list'", param, ctx)
        return service, int(number)


@click.group("dead-letters")
def command() -> None:
    """List the messages that nobody could handle, show one, give it to its handler again, or drop it.

    They are looked up in the running system beside system.py, or in the database that ATOLL_DATABASE_URL names.
    """


def filters(function: F) -> F:
    """Which letters are meant."""
    for option in (
        click.option("--since", type=MOMENT, help="Died since then: 10m, 2h, 3d, or 2026-11-23T08:00."),
        click.option("--error", default="", metavar="TEXT", help="Whose error holds this text."),
        click.option("--key", default="", help="Of this ordering key."),
        click.option("--subject", default="", help="Events of this subject, such as order.created."),
        click.option("--consumer", default="", help="Of this consumer (a service's name, as a rule)."),
    ):
        function = option(function)
    return function


@command.command("list")
@click.argument("service", default="", shell_complete=complete_service)
@filters
@click.option("-n", "--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="Of each service.")
@json_option
@system_option
@click.pass_context
def listing(
    ctx: click.Context, service: str, consumer: str, subject: str, key: str, error: str, since: datetime | None,
    limit: int, as_json: bool, system_file: str | None,
) -> None:  # fmt: skip
    """Show the dead letters, the oldest first, of all services or of one."""
    from atoll.operate import list_letters

    which = _which(consumer, subject, key, error, since)
    found = run(list_letters(databases_of(ctx, system_file, service), which, limit=limit))
    if as_json:
        print_json([brief(one) for one in found])
    elif not found:
        click.echo("no dead letters")
    else:
        print_table(("LETTER", "SUBJECT", "KEY", "ATTEMPTS", "DIED", "ERROR"), [_row(one) for one in found])


@command.command("show")
@click.argument("letter", type=Name())
@json_option
@system_option
@click.pass_context
def show(ctx: click.Context, letter: tuple[str, int], as_json: bool, system_file: str | None) -> None:
    """Show all that is known of one: error, stack, attempts, headers, the message, what waits of its key."""
    from atoll.operate import show_letter

    detail = run(show_letter(databases_of(ctx, system_file, letter[0]), *letter))
    if as_json:
        print_json(full(detail))
    else:
        _show(detail)


@command.command("redrive")
@click.argument("letters", nargs=-1, type=Name())
@filters
@click.option("--service", default="", shell_complete=complete_service, help="With --all or a filter: of this service.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@system_option
@click.pass_context
def redrive(
    ctx: click.Context, letters: tuple[tuple[str, int], ...], consumer: str, subject: str, key: str, error: str,
    since: datetime | None, service: str, everything: bool, system_file: str | None,
) -> None:  # fmt: skip
    """Give dead letters to their handlers again, with all their attempts: those named, those that a filter finds, or --all."""
    from atoll.operate import redrive, redrive_all

    which = _which(consumer, subject, key, error, since)
    _require_one_way(letters, which, everything=everything)
    if not letters:
        done = run(redrive_all(databases_of(ctx, system_file, service), which))
        click.echo(_counted(done, "redriven"))
    for owner, number in letters:
        letter = run(redrive(databases_of(ctx, system_file, owner), owner, number))
        click.echo(plain_text(f"{owner}/{number} is tried again: {letter.subject} {letter.key}"))


@command.command("drop")
@click.argument("letters", nargs=-1, type=Name())
@filters
@click.option("--service", default="", shell_complete=complete_service, help="With --all or a filter: of this service.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@system_option
@click.pass_context
def drop(
    ctx: click.Context, letters: tuple[tuple[str, int], ...], consumer: str, subject: str, key: str, error: str,
    since: datetime | None, service: str, everything: bool, yes: bool, system_file: str | None,
) -> None:  # fmt: skip
    """Delete dead letters for good: those named, those that a filter finds, or --all."""
    from atoll.operate import drop, drop_all

    which = _which(consumer, subject, key, error, since)
    _require_one_way(letters, which, everything=everything)
    what = ", ".join(f"{owner}/{number}" for owner, number in letters) or _described(which, service)
    _confirm(f"drop {what} for good", yes=yes)
    if not letters:
        click.echo(_counted(run(drop_all(databases_of(ctx, system_file, service), which)), "dropped"))
    for owner, number in letters:
        letter = run(drop(databases_of(ctx, system_file, owner), owner, number))
        click.echo(plain_text(f"{owner}/{number} is dropped: {letter.subject} {letter.key}"))


def _which(consumer: str, subject: str, key: str, error: str, since: datetime | None) -> Letters:
    from atoll.messaging import Letters

    return Letters(consumer, subject, key, error, since)


def _require_one_way(letters: tuple[tuple[str, int], ...], which: Letters, *, everything: bool) -> None:
    filtered = any((which.consumer, which.subject, which.key, which.error, which.since))
    if bool(letters) + filtered + everything != 1:
        raise click.UsageError("name letters, or give filters, or --all: exactly one of the three")


def _confirm(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Trouble(f"this would {what}; say so with --yes")
    click.confirm(f"{what}?", abort=True)


def _described(which: Letters, service: str) -> str:
    parts = [f"{name} {value}" for name in ("consumer", "subject", "key", "error") if (value := getattr(which, name))]
    parts += [f"died since {shown_time(which.since)}"] if which.since else []
    of, such = f" of {service}" if service else "", f" ({', '.join(parts)})" if parts else ""
    return f"all dead letters{of}{such}"


def _counted(done: dict[str, int], what: str) -> str:
    parts = [f"{number} of {service}" for service, number in done.items() if number]
    return f"{sum(done.values())} {what}" + (f": {', '.join(parts)}" if parts else "")


def _row(one: LetterOf) -> tuple[object, ...]:
    letter = one.letter
    died = shown_time(letter.died_at)
    return one.name, letter.subject, letter.key, letter.attempts, died, one_line(letter.error)


def brief(one: LetterOf) -> dict[str, Any]:
    """What a list shows, for JSON."""
    letter = one.letter
    return {
        "name": one.name,
        "service": one.service,
        "id": letter.id,
        "consumer": letter.consumer,
        "subject": letter.subject,
        "key": letter.key,
        "message_id": letter.message_id,
        "attempts": letter.attempts,
        "error": letter.error,
        "died_at": letter.died_at.isoformat(),
    }


def full(detail: LetterDetail) -> dict[str, Any]:
    """All of it, for JSON."""
    from atoll.cli.operating import plain

    letter = detail.of.letter
    return {
        **brief(detail.of),
        "stack": letter.stack,
        "headers": letter.headers,
        "message": _message(letter),
        "waiting": plain(list(detail.waiting)),
    }


def _message(letter: DeadLetter) -> Any:
    """The message as JSON, or as text if it is none."""
    try:
        return json.loads(letter.body)
    except ValueError:
        return letter.body.decode(errors="replace")


def _show(detail: LetterDetail) -> None:
    letter, message = detail.of.letter, _message(detail.of.letter)
    facts = {
        "consumer": letter.consumer,
        "subject": letter.subject,
        "key": letter.key,
        "message": letter.message_id,
        "attempts": str(letter.attempts),
        "died": shown_time(letter.died_at),
        **{name: value for name, value in letter.headers.items() if name != "message-id"},
    }
    click.echo(plain_lines(f"{detail.of.name}: {letter.error}"))
    for name, value in facts.items():
        click.echo(plain_text(f"  {name:<14} {value}"))
    click.echo(f"  {'parked behind':<14} {len(detail.waiting) or 'nothing'}")
    for one in detail.waiting:
        due = f"due {shown_time(one.due)}" if one.due else "waits for the one before it"
        click.echo(plain_text(f"    {one.subject} {one.message_id}: {one.attempts} attempts, {due}"))
    click.echo("message")
    click.echo(_indented(message if isinstance(message, str) else json.dumps(message, indent=2, ensure_ascii=False)))
    click.echo("stack")
    click.echo(_indented(letter.stack.rstrip() or "none"))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in plain_lines(text).split("\n"))
