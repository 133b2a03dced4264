"""One connection: one request at a time, and the reply to it."""

from __future__ import annotations

import asyncio
import select
from typing import cast

from atoll.contracts import DeadlineExceeded, Error
from atoll.transport.http.client.httptools.pool import Pool
from atoll.transport.http.client.httptools.reply import ReplyReader
from atoll.transport.http.client.httptools.stream import Incoming
from atoll.transport.http.client.port import HttpReply

UNSURE = (
    1.0  # seconds without use after which a connection is looked at before it is used: the server may have closed it
)


class Connection(asyncio.Protocol):
    """Begin with `ask`, or with `open` for a reply that is read as it comes. It goes back to its pool by itself.

    idle_since, idle_until: when it came back, and when it is too old to be used again; by the loop's clock.
    """

    __slots__ = ("_incoming", "_loop", "_pool", "_reader", "_transport", "_url", "_waiter", "idle_since", "idle_until")

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: Pool, limit: int) -> None:
        self._loop = loop
        self._pool = pool
        self._reader = ReplyReader(limit)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[HttpReply] | None = None
        self._incoming: Incoming | None = None
        self._url = ""
        self.idle_since = self.idle_until = 0.0

    def ask(self, url: str, request: bytes, *, bodiless: bool = False) -> asyncio.Future[HttpReply]:
        """Sends the request; the whole reply comes with the future. bodiless: the reply has no body, whatever it says (HEAD)."""
        self._reader.begin(url, bodiless=bodiless)
        return self._send(url, request)

    def open(self, url: str, request: bytes) -> tuple[asyncio.Future[HttpReply], Incoming]:
        """The same for a stream: a reply without its body as soon as its headers have come, and the body."""
        self._incoming = Incoming(self._loop, cast(asyncio.Transport, self._transport), self._read_enough)
        self._reader.begin(url, incoming=self._incoming, on_head=self._answer)
        return self._send(url, request), self._incoming

    def give_up(self, waiter: asyncio.Future[HttpReply]) -> None:
        """Nobody waits for that reply any more: closes the connection, unless it serves another request already."""
        if self._waiter is waiter:
            self.abort()

    def expire(self) -> None:
        """There was no reply in time."""
        self._fail(DeadlineExceeded(f"{self._url} did not answer in time"))

    def abort(self) -> None:
        """Closes at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def stale(self) -> bool:
        """Whether the server has closed it, or has sent something that nobody asked for."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return True
        if self._loop.time() - self.idle_since < UNSURE:
            return False
        ready = select.poll()
        ready.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(ready.poll(0))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.idle_since = self._loop.time()
        self._pool.new(self)

    def data_received(self, data: bytes) -> None:
        if self._idle:
            self.abort()  # a reply to nothing: whatever came next would be taken for another request's
            return
        try:
            self._reader.feed(data)
        except Error as error:
            self._fail(error)
            return
        if self._reader.ended:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.gone(self)
        if self._idle:
            return
        try:
            self._reader.eof(broken=exc is not None)
        except Error as error:
            self._fail(error)
        else:
            self._finish()

    @property
    def _idle(self) -> bool:
        return self._waiter is None and self._incoming is None

    def _send(self, url: str, request: bytes) -> asyncio.Future[HttpReply]:
        self._url = url
        self._waiter = waiter = self._loop.create_future()
        cast(asyncio.Transport, self._transport).write(request)
        return waiter

    def _finish(self) -> None:
        """The reply is complete: back into the pool first, so that whoever waited may use it again."""
        reader, transport, incoming = self._reader, cast(asyncio.Transport, self._transport), self._incoming
        reply = reader.whole()
        self._incoming = None
        if incoming is not None:
            incoming.end(None)
        if not transport.is_closing():
            if reader.reusable and not transport.get_write_buffer_size():
                self._pool.back(self, reader.keep_alive)
            else:
                transport.close()
        self._answer(reply)

    def _answer(self, reply: HttpReply) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)

    def _fail(self, error: Error) -> None:
        waiter, self._waiter = self._waiter, None
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.end(error)
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.abort()

    def _read_enough(self, incoming: Incoming) -> None:
        """Whoever read the stream wants no more of it."""
        if self._incoming is incoming:
            self._incoming = self._waiter = None
            self.abort()
