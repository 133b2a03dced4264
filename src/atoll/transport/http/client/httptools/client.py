"""`HttptoolsClient`: requests over pools of connections."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
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
_SCHEMES = {"http": 80, "https": 443}


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
        timer = loop.call_at(until, connection.expire, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.give_up(waiter)
            raise
        finally:
            timer.cancel()
            del waiter, connection  # an error that is kept would keep them, and they the error

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
        waiter, incoming = connection.open(url, request, bodiless=method == "HEAD")
        timer = loop.call_at(until, connection.expire, waiter)
        del connection
        try:
            reply = await waiter
            timer.cancel()
            yield HttpStream(reply.status, reply.headers, incoming.chunks(url, self._silence))
        finally:
            timer.cancel()
            incoming.close()
            del waiter

    async def close(self) -> None:
        """Closes all connections, at once; those of a loop that is over are gone with it."""
        self._closed = True
        loop = asyncio.get_running_loop()
        here = [pool for pool in self._pools.values() if pool.loop is loop]
        for pool in here:
            pool.abort()
        for pool in here:
            await pool.wait()

    def _place(self, loop: asyncio.AbstractEventLoop, url: str) -> tuple[Pool, str]:
        """Where a URL leads, and what is asked for there."""
        slash = url.find("/", 8)
        origin = url if slash < 0 else url[:slash]
        pool = self._pools.get(origin)
        if pool is None or pool.loop is not loop or pool.closed:
            origin, pool = self._pool(loop, url)
        return pool, quoted(url[len(origin) :])

    def _pool(self, loop: asyncio.AbstractEventLoop, url: str) -> tuple[str, Pool]:
        """The pool of a URL of any form, and how much of the URL is the origin."""
        if self._closed:
            raise NotSent("the HTTP client is closed")
        origin, scheme, host, port = _origin(url)
        key = origin.lower()
        pool = self._pools.get(key)
        if pool is None or pool.loop is not loop or pool.closed:
            pool = Pool(loop, secure=scheme == "https", host=host, port=port, idle=self._idle, empty=self._forget)
            self._pools[key] = pool
        return origin, pool

    def _forget(self, pool: Pool) -> None:
        """Addresses come and go."""
        for origin in [origin for origin, known in self._pools.items() if known is pool]:
            del self._pools[origin]

    async def _connect(self, loop: asyncio.AbstractEventLoop, pool: Pool, url: str, timeout: float) -> Connection:
        within = min(timeout, self._connect_within)
        pool.connecting += 1
        connection = None
        try:
            async with asyncio.timeout(within):
                connection = await self._connected(loop, pool, within)
        except TimeoutError:
            if timeout < self._connect_within:
                raise DeadlineExceeded(f"{url} accepted no connection within {timeout:g} s") from None
            raise NotSent(f"{url} accepts no connection within {within:g} s") from None
        except (OSError, UnicodeError) as error:
            raise NotSent(f"{url} accepts no connection: {error}") from None
        finally:
            pool.connecting -= 1
            # Not when the connection is made: uvloop never tells of the end of one whose making was cancelled.
            if connection is not None and not connection.closing:
                pool.new(connection)
            pool.look()
        if pool.closed:
            connection.abort()
            raise NotSent("the HTTP client is closed")
        if connection.closing:
            raise NotSent(f"{url} closed the connection at once")
        return connection

    async def _connected(self, loop: asyncio.AbstractEventLoop, pool: Pool, within: float) -> Connection:
        """The first of the host's addresses that accepts; each has its part of the time."""
        addresses = [pool.host] if _is_address(pool.host) else await _resolved(loop, pool.host, pool.port)
        secure, name = (self._context(), pool.host) if pool.secure else (None, None)
        for left in range(len(addresses), 0, -1):
            address = addresses[-left]
            try:
                async with asyncio.timeout(within / left if left > 1 else None):
                    _, connection = await loop.create_connection(
                        lambda: Connection(loop, pool, self._limit),
                        address,
                        pool.port,
                        ssl=secure,
                        server_hostname=name,
                    )
                return connection
            except (OSError, TimeoutError):
                if left == 1:
                    raise
        raise OSError(f"{pool.host} has no address")

    def _context(self) -> ssl.SSLContext:
        """Made when first needed: reading the machine's certificates takes many milliseconds."""
        if self._secure is None:
            self._secure = ssl.create_default_context()
        return self._secure


def _origin(url: str) -> tuple[str, str, str, int]:
    """The part of the URL before its path, and its scheme, host and port. NotSent for what is no address."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise NotSent("credentials are no part of an address; send them as a header")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        raise NotSent(_no_address(url)) from None
    port = _SCHEMES.get(scheme, 0) if port is None else port
    origin = url[: len(scheme) + 3 + len(parts.netloc)]
    if scheme not in _SCHEMES or not host or not port or origin.lower() != f"{scheme}://{parts.netloc.lower()}":
        raise NotSent(_no_address(url))
    return origin, scheme, host, port


def _no_address(url: str) -> str:
    return f"{url[:100]!r} is no address; one is like http://127.0.0.1:8000"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _resolved(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[str]:
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
