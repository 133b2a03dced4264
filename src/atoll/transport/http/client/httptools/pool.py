"""The connections to one origin that wait for their next request."""

from __future__ import annotations

import asyncio
import re
from typing import Protocol

_TIMEOUT = re.compile(r"timeout=(\d{1,6})")
_EARLIER = 1.0  # seconds before the server closes, by its own word, that we do


class Pooled(Protocol):
    """A connection, as its pool sees it."""

    idle_since: float
    idle_until: float

    @property
    def stale(self) -> bool:
        """Whether it is of no use any more."""

    def abort(self) -> None:
        """Closes it at once."""


class Pool:
    """Connections of one scheme, host and port. idle: seconds that one is kept without a request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, secure: bool, host: str, port: int, idle: float) -> None:
        self.secure = secure
        self.host = host
        self.port = port
        default = 443 if secure else 80
        name = f"[{host}]" if ":" in host else host
        self.authority = name if port == default else f"{name}:{port}"
        self.loop = loop
        self._idle = idle
        self._waiting: dict[Pooled, None] = {}  # in the order in which they came back
        self._all = set[Pooled]()
        self._sweep: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    def take(self) -> Pooled | None:
        """The one that was used last; None where a new one is needed."""
        while self._waiting:
            found, _ = self._waiting.popitem()
            if found.idle_until > self.loop.time() and not found.stale:
                return found
            found.abort()
        return None

    def new(self, connection: Pooled) -> None:
        """There is one more."""
        self._all.add(connection)

    def back(self, connection: Pooled, keep_alive: str | None) -> None:
        """It has served its request. keep_alive: the header by which some servers say how long they keep it."""
        kept = self._idle
        if keep_alive is not None and (found := _TIMEOUT.search(keep_alive)):
            kept = min(kept, float(found[1]) - _EARLIER)
        now = self.loop.time()
        connection.idle_since = now
        connection.idle_until = now + kept
        self._waiting[connection] = None
        if self._sweep is None:
            self._sweep = self.loop.call_later(self._idle, self._swept)

    def gone(self, connection: Pooled) -> None:
        """It is closed."""
        self._waiting.pop(connection, None)
        self._all.discard(connection)
        if self._empty is not None and not self._all and not self._empty.done():
            self._empty.set_result(None)

    async def close(self) -> None:
        """Closes all of them, also those that are in use."""
        if self._sweep is not None:
            self._sweep.cancel()
        if self._all:
            self._empty = self.loop.create_future()
            for connection in list(self._all):
                connection.abort()
            await self._empty

    def _swept(self) -> None:
        now, self._sweep = self.loop.time(), None
        for connection in list(self._waiting):
            if connection.idle_until <= now:
                del self._waiting[connection]
                connection.abort()
        if self._waiting:
            self._sweep = self.loop.call_later(self._idle, self._swept)
