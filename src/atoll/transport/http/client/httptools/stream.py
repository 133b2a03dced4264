"""The body of a reply that is read as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from atoll.contracts import DeadlineExceeded, Error

AHEAD = 262_144  # bytes that may wait for the reader; then the server has to wait
SILENCE = 60.0  # seconds without a byte after which a stream is dead; a server's heartbeat comes every 15 s


class Incoming:
    """What has come and was not read yet. close: called with this when nobody wants the rest."""

    __slots__ = ("_changed", "_chunks", "_close", "_failure", "_loop", "_over", "_paused", "_transport", "_waiting")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, close: Callable[[Incoming], None]
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._close = close
        self._chunks = deque[bytes]()
        self._waiting = 0
        self._paused = self._over = False
        self._failure: Error | None = None
        self._changed: asyncio.Future[None] | None = None

    def take(self, chunk: bytes) -> None:
        """More of it."""
        self._chunks.append(chunk)
        self._waiting += len(chunk)
        if self._waiting > AHEAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def end(self, failure: Error | None) -> None:
        """That was all, or there will be no more."""
        self._over, self._failure = True, failure
        if self._paused and failure is None:
            self._resume()
        self._wake()

    async def chunks(self, url: str, silence: float = SILENCE) -> AsyncIterator[bytes]:
        """Each piece; `Lost` if it breaks off, DeadlineExceeded after ``silence`` seconds without any."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._waiting -= len(chunk)
                if self._paused and self._waiting <= AHEAD // 2:
                    self._resume()
                yield chunk
            if self._failure is not None:
                raise self._failure
            if self._over:
                return
            self._changed = self._loop.create_future()
            timer = self._loop.call_later(silence, self._wake)
            try:
                await self._changed
            finally:
                self._changed = None
                timer.cancel()
            if not self._chunks and not self._over:
                self.close()
                raise DeadlineExceeded(f"{url} was silent for {silence:g} s")

    def close(self) -> None:
        """The rest is not wanted."""
        self._close(self)

    def _resume(self) -> None:
        self._paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)
