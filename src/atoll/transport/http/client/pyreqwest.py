"""`HttpClient` on pyreqwest (reqwest, hyper).

Cancelling a task ends its waiting at once, but pyreqwest 0.15 lets the request itself run on: so each one also carries its
timeout into Rust, where its connection is closed when that is over. A stream is bounded by silence instead.

It also forgets a cancellation that comes when its answer is there and the task has not run on yet: the task would go on as if
nobody had cancelled it. So whatever is awaited of it is followed by a look at whether that happened (`_Heed`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError, RequestTimeoutError
from pyreqwest.request import RequestBuilder
from pyreqwest.response import Response

from atoll.contracts import DeadlineExceeded, Error
from atoll.resilience import Lost, NotSent, Unreadable
from atoll.transport.http.client.port import DEFAULT_TIMEOUT, HttpReply, HttpStream

IDLE = 30.0  # seconds; shorter than any server's keep-alive (ours: 75 s), so that the client closes first
CONNECT = 2.0  # seconds
SILENCE = 60.0  # seconds without a byte after which a stream is dead; a server's heartbeat comes every 15 s
REPLY_LIMIT = 16 * 1024 * 1024  # bytes
_CONNECTING = "client error (Connect)"  # hyper-util's words for a failure before anything was sent


class PyreqwestClient:
    """One pool of connections for a whole process. reply_limit: bytes of a reply's body that are read at the most."""

    def __init__(self, *, reply_limit: int = REPLY_LIMIT, connect: float = CONNECT, idle: float = IDLE) -> None:
        self._limit = reply_limit
        self._client = _builder(connect, idle).build()
        self._streams = _builder(connect, idle).read_timeout(timedelta(seconds=SILENCE)).build()

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float = DEFAULT_TIMEOUT
    ) -> HttpReply:
        """The whole reply, whatever its status."""
        request = _request(self._client, method, url, headers, body).timeout(timedelta(seconds=timeout))
        heed = _Heed()
        try:
            async with request.build_streamed() as response:
                reply = HttpReply(response.status, dict(response.headers), await self._body(response, url))
        except PyreqwestError as error:
            heed.cancellation()
            raise _classified(error, url) from None
        heed.cancellation()
        return reply

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float = DEFAULT_TIMEOUT
    ) -> AsyncGenerator[HttpStream, None]:
        """The reply as it comes; ``timeout`` bounds the wait for its first bytes."""
        builder = _request(self._streams, method, url, headers, body).streamed_read_buffer_limit(1)
        opening, heed = asyncio.timeout(timeout), _Heed()
        try:
            async with opening, builder.build_streamed() as response:
                heed.cancellation()
                opening.reschedule(None)
                yield HttpStream(response.status, dict(response.headers), _chunks(response))
        except PyreqwestError as error:
            raise _classified(error, url) from None
        except TimeoutError:
            if not opening.expired():
                raise
            raise DeadlineExceeded(f"{url} did not answer within {timeout:g} s") from None

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.close()
        await self._streams.close()

    async def _body(self, response: Response, url: str) -> bytes:
        declared = response.get_header("content-length")
        if declared is not None and declared.isdigit():
            if int(declared) > self._limit:
                raise Unreadable(f"{url} answered with {declared} bytes; at most {self._limit} are read")
            return bytes(await response.bytes())
        body = bytearray()
        async for chunk in _chunks(response):
            body += chunk
            if len(body) > self._limit:
                raise Unreadable(f"{url} answered with more than {self._limit} bytes")
        return bytes(body)


class _Heed:
    """Raises a cancellation of the running task that came since this was made, and that pyreqwest kept to itself."""

    __slots__ = ("_before", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task is not None else 0

    def cancellation(self) -> None:
        if self._task is not None and self._task.cancelling() > self._before:
            raise asyncio.CancelledError


def _request(client: Client, method: str, url: str, headers: Mapping[str, str], body: bytes) -> RequestBuilder:
    builder = client.request(method, url).headers(headers)
    return builder.body_bytes(body) if body else builder


def _builder(connect: float, idle: float) -> ClientBuilder:
    return (
        ClientBuilder()
        .http1_only()
        .http1_lower_case_headers()
        .follow_redirects(False)
        .no_proxy()
        .referer(False)
        .user_agent("atoll")
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .connect_timeout(timedelta(seconds=connect))
        .pool_idle_timeout(timedelta(seconds=idle))
    )


async def _chunks(response: Response) -> AsyncIterator[bytes]:
    reader = response.body_reader
    while True:
        heed = _Heed()
        chunk = await reader.read_chunk()
        heed.cancellation()
        if chunk is None:
            return
        yield bytes(chunk)


def _classified(error: PyreqwestError, url: str) -> Error:
    causes = (error.details["causes"] or []) if isinstance(error, DetailedPyreqwestError) else []
    if any(cause["message"] == _CONNECTING for cause in causes):  # its ConnectError also means a connection that broke
        return NotSent(f"{url} accepts no connection")
    if isinstance(error, RequestTimeoutError):
        return DeadlineExceeded(f"{url} did not answer in time")
    return Lost(f"the connection to {url} broke before it had answered: {error.message}")
