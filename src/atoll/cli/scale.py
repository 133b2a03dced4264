"""``atoll scale orders=3``."""

from __future__ import annotations

import click

from atoll.cli.client import Client
from atoll.cli.complete import complete_service
from atoll.cli.options import json_option, print_json, system_option, system_path


@click.command("scale")
@click.argument("wanted", nargs=-1, required=True, metavar="SERVICE=N...", shell_complete=complete_service)
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, wanted: tuple[str, ...], as_json: bool, system_file: str | None) -> None:
    """Change the number of a service's instances, such as orders=3; returns when they are ready."""
    numbers = [_parsed(text) for text in wanted]
    client = Client(system_path(ctx, system_file))
    for service, instances in numbers:
        client.call("POST", "/v1/scale", {"service": service, "instances": instances})
    if as_json:
        print_json(client.status())
    else:
        click.echo(", ".join(f"{service} has {instances}" for service, instances in numbers))


def _parsed(text: str) -> tuple[str, int]:
    service, _, number = text.partition("=")
    if not service or not number.isdigit():
        raise click.UsageError(f"{text!r} is not like orders=3")
    return service, int(number)
