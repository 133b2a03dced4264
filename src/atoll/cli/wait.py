"""``atoll wait``: until everything is ready."""

from __future__ import annotations

import time

import click

from atoll.cli.client import Client
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.system.trouble import Trouble

_PAUSE = 0.1  # seconds between looks while the API is not open yet


@click.command("wait")
@click.option(
    "--timeout", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds to wait at the most."
)
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, timeout: float, as_json: bool, system_file: str | None) -> None:
    """Wait until everything is ready."""
    client = Client(system_path(ctx, system_file))
    client.require_running()
    until = time.monotonic() + timeout
    while not _ready(client, until):
        client.require_running()
        if time.monotonic() > until:
            raise Trouble(f"not ready after {timeout:g} s; look at 'atoll ps' and 'atoll logs'")
        time.sleep(_PAUSE)
    if as_json:
        print_json(client.status())
    else:
        click.echo("ready")


def _ready(client: Client, until: float) -> bool:
    if not client.folder.read_state().control:
        return False
    left = max(0.0, min(until - time.monotonic(), 30.0))
    return bool(client.call("GET", f"/v1/ready?wait={left:.3f}")["ready"])
