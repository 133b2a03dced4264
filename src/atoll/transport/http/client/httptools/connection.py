"""One connection: one request at a time, and the reply to it."""

from __future__ import annotations

import asyncio
import select
from typing import cast

from atoll.contracts import DeadlineExceeded, Error
from atoll.resilience import Lost
from atoll.transport.http.client.httptools.pool import Pool
from atoll.transport.http.client.httptools.reply import ReplyReader
from atoll.transport.http.client.httptools.stream import Incoming
from atoll.transport.http.client.port import HttpReply


class Connection(asyncio.Protocol):
    """Begin with `ask`, or with `open` for a reply that is read as it comes. It goes back to its pool by itself.

    idle_until: when it is too old to be used again, by the loop's clock.
    """

    __slots__ = ("_incoming", "_loop", "_pool", "_reader", "_ready", "_transport", "_url", "_waiter", "idle_until")

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: Pool, limit: int) -> None:
        self._loop = loop
        self._pool = pool
        self._reader = ReplyReader(limit)
        self._ready = select.poll()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[HttpReply] | None = None
        self._incoming: Incoming | None = None
        self._url = ""
        self.idle_until = 0.0

    def ask(self, url: str, request: bytes, *, bodiless: bool = False) -> asyncio.Future[HttpReply]:
        """Sends the request; the whole reply comes with the future. bodiless: the reply has no body, whatever it says (HEAD)."""
        self._reader.begin(url, bodiless=bodiless)
        return self._send(url, request)

    def open(self, url: str, request: bytes, *, bodiless: bool = False) -> tuple[asyncio.Future[HttpReply], Incoming]:
        """The same for a stream: a reply without its body as soon as its headers have come, and the body."""
        self._incoming = incoming = Incoming(self._loop, cast(asyncio.Transport, self._transport), self._read_enough)
        self._reader.begin(url, bodiless=bodiless, incoming=incoming, on_head=self._answer)
        return self._send(url, request), incoming

    def give_up(self, waiter: asyncio.Future[HttpReply]) -> None:
        """Nobody waits for that reply any more: closes the connection, unless it serves another request already."""
        if self._waiter is waiter:
            self.abort()

    def expire(self, waiter: asyncio.Future[HttpReply]) -> None:
        """There was no reply to that request in time."""
        if self._waiter is waiter:
            self._fail(DeadlineExceeded(f"{self._url} did not answer in time"))

    def abort(self) -> None:
        """Closes at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def closing(self) -> bool:
        """Whether it cannot be used any more."""
        return self._transport is None or self._transport.is_closing()

    @property
    def stale(self) -> bool:
        """The same; or the server has closed it, or said what nobody asked for, and the loop has not read that yet."""
        return self.closing or bool(self._ready.poll(0))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ready.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

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

    def eof_received(self) -> None:
        # Over TLS nobody can tell the server's end from a cut (RFC 9112, section 9.8), so there it completes nothing.
        self._end(delimits=not self._pool.secure)

    def connection_lost(self, _: Exception | None) -> None:
        self._pool.gone(self)
        self._end(delimits=False)
        self._reader.drop()

    @property
    def _idle(self) -> bool:
        return self._waiter is None and self._incoming is None

    def _end(self, *, delimits: bool) -> None:
        if self._idle:
            return
        try:
            self._reader.end(delimits=delimits)
        except Error as error:
            self._fail(error)
        else:
            self._finish()

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
            if transport.get_write_buffer_size():
                transport.abort()  # the server has answered already; it may never take the rest
            elif reader.reusable:
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
            self._fail(Lost(f"the stream from {self._url} was left"))
