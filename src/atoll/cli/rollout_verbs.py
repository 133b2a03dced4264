"""What `promote`, `pause`, `abort` and `rollback` share: one order to one service's rollout."""

from __future__ import annotations

from typing import Any

import click

from atoll.cli.client import Client
from atoll.cli.options import print_json, system_path


def order(ctx: click.Context, system_file: str | None, service: str, verb: str, said: str, *, as_json: bool) -> None:
    """Send it; print what was done, or the rollout as JSON. said: with {release}, {stable} and {back} in it."""
    client = Client(system_path(ctx, system_file))
    rollout: dict[str, Any] = client.call("POST", f"/v1/rollouts/{service}/{verb}")
    if as_json:
        print_json(rollout)
    else:
        # A rollback is a rollout of its own, forward to the release before, unless it ends one that has not passed.
        back = rollout["stable"] if rollout["wish"] == "abort" else rollout["release"]
        click.echo(f"{service}: {said.format(**rollout, back=back)}; see 'atoll rollouts {service}'")
