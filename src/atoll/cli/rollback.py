"""``atoll rollback orders``."""

from __future__ import annotations

import click

from atoll.cli.complete import complete_service
from atoll.cli.options import json_option, system_option
from atoll.cli.rollout_verbs import order


@click.command("rollback")
@click.argument("service", shell_complete=complete_service)
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, service: str, as_json: bool, system_file: str | None) -> None:
    """Go back to the release before, with one switch: during a rollout, while its old release is warm, or long after."""
    order(ctx, system_file, service, "rollback", "rollout {number} takes it back to {back}", as_json=as_json)
