"""Runs the dashboard as a process of its own: on the address it is told, until SIGTERM."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from atoll.platform.dashboard.intake import Intake
from atoll.platform.dashboard.sqlite import MOST_BYTES, Store

_KINDER = 5  # of nice: what is watched goes before the watching


def serve(
    host: str, port: int, file: Path, make: Callable[[Store, Intake], ASGIApp], *, most: int = MOST_BYTES
) -> None:
    """Serves what ``make`` makes of the store in ``file``, which may take ``most`` bytes.

    Returns when it was told to stop, with everything written.
    """
    os.nice(_KINDER)
    store = Store(file, most=most)
    intake = Intake(store)
    intake.start()
    try:
        uvicorn.Server(configuration(make(store, intake), host, port)).run()
    finally:
        intake.stop()
        store.close()


def configuration(application: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """How it is served. No header may say who a caller is: whoever comes from this machine is let in without a token."""
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        proxy_headers=False,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
    )
