"""``atoll check``: mistakes in system.py."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from atoll.cli.options import json_option, print_json, system_option, system_path


@click.command("check")
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, system_file: str | None) -> None:
    """Look for mistakes in system.py and in the events of its services; exit code 1 if there are any."""
    from atoll.platform.local.asking import events_of
    from atoll.system.checks import Finding, check, check_events
    from atoll.system.load import load_system

    file = system_path(ctx, system_file)
    system = load_system(file)
    findings, notes = check(system, file.parent), tuple[Finding, ...]()
    if not findings:  # services can only be asked where system.py says how
        findings, notes = check_events(events_of(system, file.parent))
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
