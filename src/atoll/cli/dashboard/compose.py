"""Puts the dashboard together: the platform's store and page, and the routes that reach into both towers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from atoll.cli.dashboard import passing, repairing, rolling, running, tables, trying
from atoll.cli.dashboard.feeding import Feeder
from atoll.cli.dashboard.reach import Reach
from atoll.cli.dashboard.turn import Turn
from atoll.platform.dashboard import Intake, Store
from atoll.platform.dashboard.app import dashboard
from atoll.platform.dashboard.grpc import GrpcReceiver

log = logging.getLogger("atoll.dashboard")


def compose(file: Path, store: Store, intake: Intake, token: str, grpc: GrpcReceiver) -> ASGIApp:
    """The application for the system of ``file``. grpc: is started and stopped with it."""
    reach = Reach(file)
    more = [route for room in (running, rolling, repairing, passing, trying, tables) for route in room.routes(reach)]

    @asynccontextmanager
    async def feeding(_: Any) -> AsyncIterator[None]:
        try:
            await grpc.start()
        except OSError as error:  # the page and OTLP over HTTP are worth having without it
            log.error("%s", error)
        turn = Turn(store.path.with_name(f"{store.path.name}-turn"))
        task = asyncio.create_task(Feeder(reach, intake, turn).run(), name="dashboard: feeding")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            turn.give_up()
            await grpc.stop()

    return dashboard(store, intake, more, token=token, lifespan=feeding, grpc=lambda: grpc.address)
