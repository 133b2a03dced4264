"""``atoll contract``: what a release promises, compared with the one that runs, and whom a change would break."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.complete import complete_service
from atoll.cli.names import service_named
from atoll.cli.options import json_option, print_json, system_option, system_path

if TYPE_CHECKING:
    from atoll.cli.contracts import Comparison

_AGAINST = (
    "What to compare with: 'running', 'shelf' (the last release), or a folder; else the first of them that is there."
)


@click.group("contract")
def command() -> None:
    """Write down what services promise; compare it with what runs; refuse what would break somebody."""


@command.command("snapshot")
@click.argument("service", shell_complete=complete_service)
@click.option(
    "--to", "folder", metavar="FOLDER", help="Where; else the folder 'contract' beside the service's sources."
)
@json_option
@system_option
@click.pass_context
def snapshot(ctx: click.Context, service: str, folder: str | None, as_json: bool, system_file: str | None) -> None:
    """Write the service's documents, as its code has them now, into a folder to commit."""
    from atoll.platform.gate import write_contract
    from atoll.platform.local.as_it_runs import SNAPSHOT, documents_of_tree
    from atoll.system.load import load_system

    file = system_path(ctx, system_file)
    system = load_system(file)
    one = service_named(system, service)
    to = Path(folder) if folder else file.parent / one.source / SNAPSHOT
    written = write_contract(documents_of_tree(system, file.parent, one), to)
    if as_json:
        print_json({"service": service, "files": [str(path) for path in written]})
    else:
        click.echo(f"{service}: {', '.join(path.name for path in written)} in {to}")


@command.command("diff")
@click.argument("service", shell_complete=complete_service)
@click.option("--against", metavar="WHAT", help=_AGAINST)
@json_option
@system_option
@click.pass_context
def diff(ctx: click.Context, service: str, against: str | None, as_json: bool, system_file: str | None) -> None:
    """Show every change of the service's code since the other release, breaking or additive; exit code 0."""
    found = _compared(ctx, service, against, system_file)
    if as_json:
        print_json(_shown(found))
        return
    click.echo(f"{service}: compared with {found.against}")
    if not found.changed:
        click.echo("  no changes")
    for change in (*found.judgement.changes, *found.judgement.misreads):
        click.echo(f"  {'breaking' if change.breaking else 'additive'}: {change}")
    for line in found.judgement.migrations:
        click.echo(f"  breaking: {line}")
    for line in found.unread:
        click.echo(f"  breaking: {line}")


@command.command("check")
@click.argument("services", nargs=-1, shell_complete=complete_service)
@click.option("--against", metavar="WHAT", help=_AGAINST)
@click.option("--strict", is_flag=True, help="Refuse what breaks nobody in the system, too: others may use it.")
@json_option
@system_option
@click.pass_context
def check(
    ctx: click.Context,
    services: tuple[str, ...],
    against: str | None,
    strict: bool,
    as_json: bool,
    system_file: str | None,
) -> None:
    """Refuse what would break somebody: exit code 0 for none, 1 with a line for each, 2 if there is nothing to compare with."""
    from atoll.system.load import load_system

    system = load_system(system_path(ctx, system_file))
    names = services or tuple(one.name for one in system.services if one.serve)
    found = [_compared(ctx, name, against, system_file) for name in names]
    refused = {one.service: one.refusals(strict=strict) for one in found}
    if as_json:
        print_json({"services": [_shown(one) | {"refusals": list(refused[one.service])} for one in found]})
    else:
        for one in found:
            for line in refused[one.service]:
                click.echo(f"{one.service}: {line}", err=True)
            if not refused[one.service]:
                click.echo(
                    f"{one.service}: breaks nobody (compared with {one.against}, {one.fixtures} stored events read)"
                )
    sys.exit(1 if any(refused.values()) else 0)


def _compared(ctx: click.Context, service: str, against: str | None, system_file: str | None) -> Comparison:
    from atoll.cli.contracts import NothingToCompare, compared
    from atoll.system.load import load_system

    file = system_path(ctx, system_file)
    system = load_system(file)
    try:
        return compared(file, system, service_named(system, service), against)
    except NothingToCompare as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def _shown(found: Comparison) -> dict[str, Any]:
    """{"service", "against", "changes", "misreads", "migrations", "events"}; a change as `Change` has it."""
    judgement = found.judgement
    return {
        "service": found.service,
        "against": found.against,
        "changes": [*map(asdict, judgement.changes)],
        "misreads": [*map(asdict, judgement.misreads)],
        "migrations": list(judgement.migrations),
        "events": list(found.unread),
    }
