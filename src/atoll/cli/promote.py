"""``atoll promote orders``."""

from __future__ import annotations

import click

from atoll.cli.complete import complete_service
from atoll.cli.options import json_option, system_option
from atoll.cli.rollout_verbs import order


@click.command("promote")
@click.argument("service", shell_complete=complete_service)
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, service: str, as_json: bool, system_file: str | None) -> None:
    """Give the new release all of the traffic, without further steps. It must be ready and well before that."""
    order(ctx, system_file, service, "promote", "{release} gets all of the traffic", as_json=as_json)
