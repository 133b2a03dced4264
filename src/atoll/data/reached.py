"""`Reached`: how far something has come, for those who wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from atoll.contracts import Error
from atoll.data.backoff import Backoff
from atoll.data.event_order import Position
from atoll.data.postgres import DRIVER_ERRORS, one_line
from atoll.service.lifecycle import end

log = logging.getLogger("atoll.data")
_AWAY: tuple[type[Exception], ...] = (*DRIVER_ERRORS, Error)
LOOKS = 0.005, 0.05  # seconds between two looks while somebody waits, first and most


class Reached:
    """Is told of moves made here, and looks for those made elsewhere, as long as somebody waits: one look for all of them.

    wanted: set while somebody waits.
    """

    def __init__(self, look: Callable[[], Awaitable[Position]]) -> None:
        self._look = look
        self._at = Position.START
        self._moved = asyncio.Event()
        self._waiting = 0
        self.wanted = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def move(self, at: Position) -> None:
        """It has come this far; never back."""
        if at > self._at:
            self.restart(at)

    def restart(self, at: Position) -> None:
        """It is here, wherever it was before."""
        self._at = at
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait(self, position: Position) -> None:
        """Returns when it has come this far."""
        self._waiting += 1
        self.wanted.set()
        try:
            while self._at < position:
                if self._looking is None or self._looking.done():
                    self._looking = asyncio.create_task(self._keep_looking(), name="reached: look")
                await self._moved.wait()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self.wanted.clear()

    async def close(self) -> None:
        """Looks no more."""
        await end(self._looking)
        self._looking = None

    async def _keep_looking(self) -> None:
        backoff = Backoff(first=LOOKS[0], most=LOOKS[1])
        while self._waiting:
            await backoff.wait()
            try:
                self.move(await self._look())
            except _AWAY as error:
                log.debug("it is not known how far it has come: %s", one_line(error))
