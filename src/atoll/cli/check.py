"""``atoll check``: mistakes in system.py."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from atoll.cli.options import json_option, print_json, system_option, system_path

if TYPE_CHECKING:
    from atoll.system import System
    from atoll.system.checks import Finding


@click.command("check")
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, system_file: str | None) -> None:
    """Look for mistakes in system.py, in the events of its services, and for what would break a release that runs.

    Exit code 1 if there are any.
    """
    from atoll.platform.local.asking import events_of
    from atoll.system.checks import check, check_events
    from atoll.system.load import load_system

    file = system_path(ctx, system_file)
    system = load_system(file)
    findings: list[Finding] = list(check(system, file.parent))
    notes: tuple[Finding, ...] = ()
    if not findings:  # services can only be asked where system.py says how
        found, notes = check_events(events_of(system, file.parent))
        findings = [*found, *_breaking(system, file)]
    if as_json:
        print_json({"system": system.name, "findings": [*map(asdict, findings)], "notes": [*map(asdict, notes)]})
    else:
        for finding in findings:
            click.echo(str(finding), err=True)
        for note in notes:
            click.echo(f"{note.place}: note: {note.text}", err=True)
        if not findings:
            count = len(system.services)
            click.echo(f"{file}: {system.name} is fine ({count} service{'' if count == 1 else 's'})")
    if findings:
        sys.exit(1)


def _breaking(system: System, file: Path) -> list[Finding]:
    """What the working tree would break of the release of a service that runs, and of those who use it."""
    from atoll.cli.contracts import NothingToCompare, compared
    from atoll.system.checks import Finding

    findings = []
    for service in system.services:
        try:
            found = compared(file, system, service, "running")
        except NothingToCompare:
            continue  # it does not run, so there is nothing to break
        findings += [Finding(service.place, f"{service.name}: {line}") for line in found.refusals()]
    return findings
