"""The connections to one origin."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Protocol

_TIMEOUT = re.compile(r"timeout=(\d{1,6})")
_EARLIER = 1.0  # seconds before the server closes, by its own word, that we do


class Pooled(Protocol):
    """A connection, as its pool sees it."""

    idle_until: float

    @property
    def stale(self) -> bool:
        """Whether it is of no use any more."""

    def abort(self) -> None:
        """Closes it at once."""


class Pool:
    """Connections of one scheme, host and port. idle: seconds that one is kept without a request.

    connecting: how many are being made. closed: whether no more may come. empty: called when there is none left.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        secure: bool,
        host: str,
        port: int,
        idle: float,
        empty: Callable[[Pool], None],
    ) -> None:
        self.loop = loop
        self.secure = secure
        self.host = host
        self.port = port
        name = f"[{host}]" if ":" in host else host
        self.authority = name if port == (443 if secure else 80) else f"{name}:{port}"
        self.connecting = 0
        self.closed = False
        self._idle = idle
        self._when_empty = empty
        self._waiting: dict[Pooled, None] = {}  # in the order in which they came back
        self._all = set[Pooled]()
        self._sweep: asyncio.TimerHandle | None = None
        self._gone: asyncio.Future[None] | None = None

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
        connection.idle_until = self.loop.time() + kept
        self._waiting[connection] = None
        if self._sweep is None:
            self._sweep = self.loop.call_later(self._idle, self._swept)

    def gone(self, connection: Pooled) -> None:
        """It is closed."""
        self._waiting.pop(connection, None)
        self._all.discard(connection)
        self.look()

    def look(self) -> None:
        """Tells whoever asked that nothing is left here."""
        if self._all or self.connecting:
            return
        self._when_empty(self)
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def abort(self) -> None:
        """Closes all of them at once, also those that are in use; none comes any more."""
        self.closed = True
        for connection in list(self._all):
            connection.abort()

    async def wait(self) -> None:
        """Until all are gone."""
        if self._all or self.connecting:
            self._gone = self.loop.create_future()
            await self._gone

    def _swept(self) -> None:
        now, self._sweep = self.loop.time(), None
        for connection in list(self._waiting):
            if connection.idle_until <= now:
                del self._waiting[connection]
                connection.abort()
        if self._waiting:
            self._sweep = self.loop.call_later(self._idle, self._swept)
