"""Time, as a rollout needs it: a port, so that tests need none."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds, and waiting."""

    def now(self) -> float:
        """Seconds of a clock that only grows."""

    def date(self) -> float:
        """Seconds since 1970."""

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Until the event is set, so many seconds at the most."""


class RealClock:
    """This machine's."""

    def now(self) -> float:
        return time.monotonic()

    def date(self) -> float:
        return time.time()

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await event.wait()
        except TimeoutError:
            return
