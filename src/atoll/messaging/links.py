"""Staying connected: one link after the other, each used until it is lost and then thrown away whole."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from atoll.data.backoff import Backoff
from atoll.messaging.broker import BrokerUnavailable
from atoll.service.lifecycle import end

log = logging.getLogger("atoll.messaging")

PATIENCE = 5.0  # seconds that a caller waits for the broker


class NoLink(Exception):
    """No connection: one line why."""


class Closable(Protocol):
    """One connection, from its beginning to its end. lost: set when it is of no use any more."""

    lost: asyncio.Event

    async def close(self) -> None:
        """Disconnects; whoever still waits for an answer hears that there will be none."""


L = TypeVar("L", bound=Closable)


class Links(Generic[L]):
    """Opens a link, and the next one when it is lost, for ever. open: NoLink if it cannot be done now."""

    def __init__(self, open_link: Callable[[], Awaitable[L]]) -> None:
        self._open = open_link
        self._linked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._trouble = "not started"
        self.current: L | None = None

    def start(self) -> None:
        """Returns at once; connects in the background."""
        self._task = asyncio.create_task(self._stay_linked(), name="broker: connection")

    async def stop(self) -> None:
        """Disconnects."""
        await end(self._task)
        self._task = None

    def linked(self) -> L:
        """The link; BrokerUnavailable if there is none now."""
        if self.current is None:
            raise BrokerUnavailable(f"the broker is away: {self._trouble}", headers={"retry-after": "1"})
        return self.current

    async def get(self) -> L:
        """The link; BrokerUnavailable if there is none for five seconds."""
        if self.current is not None:
            return self.current
        try:
            async with asyncio.timeout(PATIENCE):
                while self.current is None:
                    await self._linked.wait()
        except TimeoutError:
            return self.linked()
        return self.current

    async def _stay_linked(self) -> None:
        backoff = Backoff(first=0.05, most=2.0)
        while True:
            try:
                link = await self._open()
            except NoLink as error:
                self._note(str(error))
                await backoff.wait()
                continue
            except (
                Exception
            ) as error:  # whatever it is, it is seen and tried again: a service outlives its broker's moods
                log.exception("connecting to the broker failed in a way that it should not")
                self._note(f"{type(error).__name__}: {error}")
                await backoff.wait()
                continue
            backoff.reset()
            await self._use(link)

    async def _use(self, link: L) -> None:
        self._trouble = "the connection was lost"
        self.current = link
        self._linked.set()
        try:
            await link.lost.wait()
        finally:
            self.current = None
            self._linked.clear()
            await link.close()

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("the broker is away: %s", trouble)
            self._trouble = trouble
