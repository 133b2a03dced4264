"""Runs the dashboard as a process of its own: on the address it is told, until SIGTERM."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from atoll.platform.dashboard.intake import Intake
from atoll.platform.dashboard.sqlite import Store

_KINDER = 5  # of nice: what is watched goes before the watching


def serve(host: str, port: int, file: Path, make: Callable[[Store, Intake], ASGIApp]) -> None:
    """Serves what ``make`` makes of the store in ``file``. Returns when it was told to stop, with everything written."""
    os.nice(_KINDER)
    store = Store(file)
    intake = Intake(store)
    intake.start()
    try:
        uvicorn.run(
            make(store, intake), host=host, port=port, log_level="warning", access_log=False, timeout_keep_alive=75
        )
    finally:
        intake.stop()
        store.close()
