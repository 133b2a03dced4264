"""Wakes the instance that runs a saga when another one, or a person, has moved it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from atoll.contracts import Unavailable
from atoll.data import Database
from atoll.data.backoff import Backoff
from atoll.data.leases import close
from atoll.data.postgres import DRIVER_ERRORS, listen, on_lost, one_line
from atoll.service.lifecycle import end

log = logging.getLogger("atoll.sagas")

CHANNEL = "atoll_sagas"
TELL_EVERY = 0.02  # seconds; commits within it share one notification
_AWAY: tuple[type[Exception], ...] = (*DRIVER_ERRORS, Unavailable)


class Waking:
    """Listens on a connection of its own, and tells outside of the committing transactions.

    NOTIFY inside of them would make PostgreSQL commit one after the other. A lost notification costs a second, no more.
    """

    def __init__(self, database: Database, wake: Callable[[], None]) -> None:
        self._database = database
        self._wake = wake
        self._something = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins, without waiting for the database."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="sagas: listen"),
            asyncio.create_task(self._tell(), name="sagas: notify"),
        ]

    async def stop(self) -> None:
        """Stops."""
        await end(*self._tasks)
        self._tasks = []

    def tell(self) -> None:
        """Something is there for another instance."""
        self._something.set()

    async def _listen(self) -> None:
        backoff = Backoff(first=0.05, most=2.0)
        while True:
            lost = asyncio.Event()
            try:
                connection = await self._database.dedicated()
            except DRIVER_ERRORS as error:
                log.debug("nobody wakes the sagas yet: %s", one_line(error))
                await backoff.wait()
                continue
            try:
                on_lost(connection, lost.set)
                await listen(connection, CHANNEL, self._wake)
                self._wake()
                backoff.reset()
                await lost.wait()
            except DRIVER_ERRORS as error:
                log.debug("nobody wakes the sagas: %s", one_line(error))
            finally:
                await close(connection)
            await backoff.wait()

    async def _tell(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            try:
                async with self._database.connection() as connection:
                    await connection.execute(f"NOTIFY {CHANNEL}")
            except _AWAY as error:
                log.debug("the other instances were not told, they look by themselves: %s", one_line(error))
            await asyncio.sleep(TELL_EVERY)
