"""``atoll restart``: fresh processes without a gap."""

from __future__ import annotations

import click

from atoll.cli.client import Client
from atoll.cli.complete import complete_service
from atoll.cli.options import json_option, print_json, system_option, system_path


@click.command("restart")
@click.argument("services", nargs=-1, shell_complete=complete_service)
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, services: tuple[str, ...], as_json: bool, system_file: str | None) -> None:
    """Replace the instances of these services (of all, if none is named): new ones are ready before old ones leave."""
    client = Client(system_path(ctx, system_file))
    for service in services or ("",):
        client.call("POST", "/v1/restart", {"service": service})
    if as_json:
        print_json(client.status())
    else:
        click.echo(f"restarted {', '.join(services) or 'all services'}")
