"""``atoll check``: mistakes in system.py."""

from __future__ import annotations

import sys

import click

from atoll.cli.options import json_option, print_json, system_option, system_path


@click.command("check")
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, system_file: str | None) -> None:
    """Look for mistakes in system.py; exit code 1 if there are any."""
    from atoll.system.checks import check
    from atoll.system.load import load_system

    file = system_path(ctx, system_file)
    system = load_system(file)
    findings = check(system, file.parent)
    if as_json:
        print_json(
            {
                "system": system.name,
                "findings": [{"place": finding.place, "text": finding.text} for finding in findings],
            }
        )
    elif findings:
        for finding in findings:
            click.echo(str(finding), err=True)
    else:
        click.echo(f"{file}: {system.name} is fine ({len(system.services)} services)")
    if findings:
        sys.exit(1)
