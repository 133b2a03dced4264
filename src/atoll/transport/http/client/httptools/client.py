"""`HttptoolsClient`: requests over pools of connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

from atoll.contracts import DeadlineExceeded
from atoll.resilience import NotSent
from atoll.transport.http.client.httptools.connection import Connection
from atoll.transport.http.client.httptools.head import quoted, request_head
from atoll.transport.http.client.httptools.pool import Pool
from atoll.transport.http.client.httptools.stream import SILENCE
from atoll.transport.http.client.port import DEFAULT_TIMEOUT, HttpReply, HttpStream

IDLE = 30.0  # seconds; shorter than any server's keep-alive (ours: 75 s), so that the client closes first
CONNECT = 2.0  # seconds
REPLY_LIMIT = 16 * 1024 * 1024  # bytes


class HttptoolsClient:
    """The connections of a whole process. reply_limit: bytes of a reply's body that are read at the most."""

    def __init__(
        self, *, reply_limit: int = REPLY_LIMIT, connect: float = CONNECT, idle: float = IDLE, silence: float = SILENCE
    ) -> None:
        self._limit = reply_limit
        self._connect_within = connect
        self._idle = idle
        self._silence = silence
        self._pools: dict[str, Pool] = {}
        self._closed = False
        self._secure: ssl.SSLContext | None = None

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float = DEFAULT_TIMEOUT
    ) -> HttpReply:
        """The whole reply, whatever its status."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        pool, target = self._place(loop, url)
        request = request_head(method, target, pool.authority, headers, len(body)) + body
        connection = cast(Connection | None, pool.take()) or await self._connect(loop, pool, url, timeout)
        waiter = connection.ask(url, request, bodiless=method == "HEAD")
        timer = loop.call_at(until, connection.expire)
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.give_up(waiter)
            raise
        finally:
            timer.cancel()

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float = DEFAULT_TIMEOUT
    ) -> AsyncGenerator[HttpStream, None]:
        """The reply as it comes; ``timeout`` bounds the wait for its first bytes."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        pool, target = self._place(loop, url)
        request = request_head(method, target, pool.authority, headers, len(body)) + body
        connection = cast(Connection | None, pool.take()) or await self._connect(loop, pool, url, timeout)
        waiter, incoming = connection.open(url, request)
        timer = loop.call_at(until, connection.expire)
        try:
            reply = await waiter
            timer.cancel()
            yield HttpStream(reply.status, reply.headers, incoming.chunks(url, self._silence))
        finally:
            timer.cancel()
            incoming.close()

    async def close(self) -> None:
        """Closes all connections."""
        self._closed = True
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            await pool.close()

    def _place(self, loop: asyncio.AbstractEventLoop, url: str) -> tuple[Pool, str]:
        """Where a URL leads, and what is asked for there."""
        slash = url.find("/", 8)
        origin = url if slash < 0 else url[:slash]
        pool = self._pools.get(origin)
        if pool is None or pool.loop is not loop:
            origin, pool = self._pool(loop, origin)
        return pool, quoted(url[len(origin) :] or "/")

    def _pool(self, loop: asyncio.AbstractEventLoop, origin: str) -> tuple[str, Pool]:
        if self._closed:
            raise NotSent("the HTTP client is closed")
        parts = urlsplit(origin)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == -1 or "@" in parts.netloc:
            raise NotSent(f"{origin!r} is no address; it is like http://127.0.0.1:8000")
        secure = parts.scheme == "https"
        origin = f"{parts.scheme}://{parts.netloc}"  # without a query that follows at once
        pool = Pool(loop, secure=secure, host=parts.hostname, port=port or (443 if secure else 80), idle=self._idle)
        self._pools[origin] = pool
        return origin, pool

    async def _connect(self, loop: asyncio.AbstractEventLoop, pool: Pool, url: str, timeout: float) -> Connection:
        secure = self._context() if pool.secure else None
        within = min(timeout, self._connect_within)
        try:
            async with asyncio.timeout(within):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, pool, self._limit), pool.host, pool.port, ssl=secure
                )
        except TimeoutError:
            if timeout < self._connect_within:
                raise DeadlineExceeded(f"{url} accepted no connection within {timeout:g} s") from None
            raise NotSent(f"{url} accepts no connection within {within:g} s") from None
        except (OSError, ssl.CertificateError) as error:
            raise NotSent(f"{url} accepts no connection: {error}") from None
        if connection.stale:
            raise NotSent(f"{url} closed the connection at once")
        return connection

    def _context(self) -> ssl.SSLContext:
        """Made when first needed: reading the machine's certificates takes many milliseconds."""
        if self._secure is None:
            self._secure = ssl.create_default_context()
        return self._secure
