"""``atoll down``: stop everything, also what a killed supervisor left."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import click

from atoll.cli.client import Client
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.system.trouble import Trouble

_LIMIT = 60.0  # seconds


@click.command("down")
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, system_file: str | None) -> None:
    """Stop the whole system."""
    file = system_path(ctx, system_file)
    client = Client(file)
    if client.runs:
        _stop(client)
        said = "stopped"
    else:
        left = _end_leftovers(file)
        said = f"ended {left} processes that a killed supervisor left" if left else "nothing runs"
    if as_json:
        print_json({"done": said})
    else:
        click.echo(said)


def _stop(client: Client) -> None:
    try:
        client.call("POST", "/v1/stop")
    except Trouble:
        _signal_supervisor(client)
    until = time.monotonic() + _LIMIT
    while client.runs:
        if time.monotonic() > until:
            raise Trouble(f"it still runs after {_LIMIT:.0f} s; look at {client.folder.log('supervisor')}")
        time.sleep(0.02)  # the lock tells, but waiting for it would take it


def _signal_supervisor(client: Client) -> None:
    """It does not answer (still starting, or hung): tell it by a signal."""
    from atoll.platform.local.identity import is_alive

    holder = client.folder.holder()
    supervisor = client.folder.read_state().supervisor
    if supervisor is not None and is_alive(supervisor):
        os.kill(supervisor.pid, signal.SIGTERM)
    elif holder:
        os.kill(holder, signal.SIGTERM)  # it holds the lock at this moment, so the pid is its


def _end_leftovers(file: Path) -> int:
    from atoll.platform.local.folder import Folder
    from atoll.platform.local.ledger import end_leftovers, open_ledger

    folder = Folder.beside(file)
    if not folder.path.exists():
        return 0
    with folder.locked():
        return asyncio.run(end_leftovers(open_ledger(folder)[0]))
