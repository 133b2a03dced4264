"""``atoll abort orders``."""

from __future__ import annotations

import click

from atoll.cli.complete import complete_service
from atoll.cli.options import json_option, system_option
from atoll.cli.rollout_verbs import order


@click.command("abort")
@click.argument("service", shell_complete=complete_service)
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, service: str, as_json: bool, system_file: str | None) -> None:
    """End the rollout that runs: all of the traffic goes back to the stable release."""
    order(ctx, system_file, service, "abort", "going back to {stable}", as_json=as_json)
