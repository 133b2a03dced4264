"""``atoll pause orders``, and ``--resume``."""

from __future__ import annotations

import click

from atoll.cli.complete import complete_service
from atoll.cli.options import json_option, system_option
from atoll.cli.rollout_verbs import order


@click.command("pause")
@click.argument("service", shell_complete=complete_service)
@click.option("--resume", is_flag=True, help="Go on.")
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, service: str, resume: bool, as_json: bool, system_file: str | None) -> None:
    """Hold a rollout at its present share, or go on with it. While it is held, the new release is still watched."""
    verb, said = ("resume", "the rollout of {release} goes on") if resume else ("pause", "{release} stays at {share} %")
    order(ctx, system_file, service, verb, said, as_json=as_json)
