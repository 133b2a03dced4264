"""``atoll dashboard``: the page about the running system. ``atoll up`` starts it by itself."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import click

from atoll.cli.options import system_option, system_path
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from atoll.platform.dashboard import Intake, Store

LEAST_BYTES = 8 * 2**20  # a store that holds less shows nothing
LOOPBACK = "127.0.0.1"
FILE = "telemetry.db"
TOKEN = "ATOLL_DASHBOARD_TOKEN"  # noqa: S105 - the name of a variable, no token


@click.command("dashboard")
@click.option("--host", default=LOOPBACK, show_default=True, help="Where to listen; elsewhere than here needs a token.")
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65_535))
@click.option(
    "--grpc-port", default=0, show_default="a free one", type=click.IntRange(0, 65_535),
    envvar="ATOLL_DASHBOARD_GRPC_PORT", help="Where to take OTLP over gRPC; over HTTP it is the page's port.",
)  # fmt: skip
@click.option(
    "--bytes", "most", default=512 * 2**20, show_default=True, type=click.IntRange(LEAST_BYTES),
    envvar="ATOLL_DASHBOARD_BYTES", help="How large the store may be; the oldest goes first.",
)  # fmt: skip
@system_option
@click.pass_context
def command(ctx: click.Context, host: str, port: int, grpc_port: int, most: int, system_file: str | None) -> None:
    """Serve the page about the running system, until Ctrl-C. `atoll up` does so by itself."""
    serve(system_path(ctx, system_file), host, port, grpc_port, most)


def serve(file: Path, host: str, port: int, grpc_port: int, most: int) -> None:
    """Serves until SIGTERM. Trouble for a wish to listen elsewhere without a token."""
    from atoll.cli.dashboard.compose import compose
    from atoll.platform.dashboard.grpc import GrpcReceiver
    from atoll.platform.dashboard.uvicorn import serve as run
    from atoll.platform.local.folder import Folder

    token = os.environ.get(TOKEN, "")
    if host not in {LOOPBACK, "::1", "localhost"} and len(token) < 16:
        raise Trouble(f"--host {host} is reached from elsewhere; set {TOKEN} to a secret of 16 characters or more")
    folder = Folder.beside(file)
    if not folder.path.is_dir():
        raise Trouble(f"{file}: nothing ran here yet; start the system with 'atoll up'")

    def make(store: Store, intake: Intake) -> ASGIApp:
        return compose(file, store, intake, token, GrpcReceiver(intake, host, grpc_port, token=token))

    try:
        run(host, port, folder.path / FILE, make, most=most)
    except sqlite3.Error as error:
        raise Trouble(f"the store {folder.path / FILE} cannot be opened: {error}; remove it, or make room") from None
