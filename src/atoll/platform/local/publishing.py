"""Keeps the gateway's knowledge equal to the registry's, whatever fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from atoll.platform.local.registry import Listed

FIRST_PAUSE = 0.5  # seconds until a publish that failed is tried again; doubles
LONGEST_PAUSE = 10.0
PATIENCE = 15.0  # seconds to wait for a gateway that is being brought back

Listings = Mapping[str, Sequence[Listed]]


class Publishing:
    """Publishes the present listings. publish: may fail in any way; said: told of each failure that is not the last one's.

    A failed publish leaves the gateway with its last good configuration, and is tried again with the listings of that time.
    """

    def __init__(
        self,
        listings: Callable[[], Listings],
        publish: Callable[[Listings], Awaitable[None]],
        said: Callable[[Exception], None],
    ) -> None:
        self._listings = listings
        self._publish = publish
        self._said = said
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()  # else an older state could overtake a newer one
        self._last_failure = ""

    def changed(self) -> None:
        """The listings are others now."""
        self._changed.set()

    async def once(self) -> bool:
        """Publish now; whether it worked. A failure is said, and `always` tries again."""
        async with self._turn:
            self._changed.clear()
            worked = False
            try:
                await self._publish(self._listings())
                worked = True
                self._last_failure = ""
            except Exception as error:  # whatever it is, what runs must go on, and the next attempt may work
                self._say(error)
            finally:
                if not worked:
                    self._changed.set()
        return worked

    async def settle(self) -> bool:
        """Whether the present state is published; if it cannot be for a while, it is left to `always`."""
        until = asyncio.get_running_loop().time() + PATIENCE
        while not await self.once():
            if asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(FIRST_PAUSE)
        return True

    async def always(self) -> None:
        """Publish each change, for as long as the system runs."""
        pause = FIRST_PAUSE
        while True:
            await self._changed.wait()
            if await self.once():
                pause = FIRST_PAUSE
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _say(self, error: Exception) -> None:
        text = repr(error)
        if text != self._last_failure:
            self._last_failure = text
            self._said(error)
