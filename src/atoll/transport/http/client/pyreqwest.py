"""`HttpClient` on pyreqwest (reqwest, hyper)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ConnectError, ConnectTimeoutError, PyreqwestError, RequestTimeoutError
from pyreqwest.request import RequestBuilder
from pyreqwest.response import Response

from atoll.contracts import BadGateway, DeadlineExceeded, Error
from atoll.resilience import Lost, NotSent
from atoll.transport.http.client.port import HttpReply, HttpStream

IDLE = 30.0  # seconds; shorter than any server's keep-alive (ours: 75 s), so that the client closes first
CONNECT = 2.0  # seconds
REPLY_LIMIT = 16 * 1024 * 1024  # bytes


class PyreqwestClient:
    """One pool of connections for a whole process. reply_limit: bytes of a reply's body that are read at the most."""

    def __init__(self, *, reply_limit: int = REPLY_LIMIT, connect: float = CONNECT, idle: float = IDLE) -> None:
        self._limit = reply_limit
        self._client = _build(connect, idle)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float | None = None
    ) -> HttpReply:
        """The whole reply, whatever its status."""
        try:
            async with asyncio.timeout(timeout), self._request(method, url, headers, body).build_streamed() as response:
                return HttpReply(response.status, dict(response.headers), await self._body(response, url))
        except TimeoutError as error:
            raise _timed_out(error, url, timeout) from None
        except PyreqwestError as error:
            raise _classified(error, url) from None

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float | None = None
    ) -> AsyncGenerator[HttpStream, None]:
        """The reply as it comes; ``timeout`` bounds the wait for its headers."""
        request = self._request(method, url, headers, body).build_streamed()
        try:
            async with asyncio.timeout(timeout) as opening, request as response:
                opening.reschedule(None)
                yield HttpStream(response.status, dict(response.headers), _chunks(response))
        except TimeoutError as error:
            raise _timed_out(error, url, timeout) from None
        except PyreqwestError as error:
            raise _classified(error, url) from None

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.close()

    def _request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> RequestBuilder:
        builder = self._client.request(method, url).headers(headers)
        return builder.body_bytes(body) if body else builder

    async def _body(self, response: Response, url: str) -> bytes:
        declared = response.get_header("content-length")
        if declared is not None and declared.isdigit():
            if int(declared) > self._limit:
                raise BadGateway(f"{url} answered with {declared} bytes; at most {self._limit} are read")
            return bytes(await response.bytes())
        body = bytearray()
        async for chunk in _chunks(response):
            body += chunk
            if len(body) > self._limit:
                raise BadGateway(f"{url} answered with more than {self._limit} bytes")
        return bytes(body)


def _build(connect: float, idle: float) -> Client:
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
        .build()
    )


async def _chunks(response: Response) -> AsyncIterator[bytes]:
    reader = response.body_reader
    while (chunk := await reader.read_chunk()) is not None:
        yield bytes(chunk)


def _timed_out(error: TimeoutError, url: str, timeout: float | None) -> Error:
    if isinstance(error, ConnectTimeoutError):
        return NotSent(f"{url} accepts no connection")
    return DeadlineExceeded(f"{url} did not answer within {timeout or 0:g} s")


def _classified(error: PyreqwestError, url: str) -> Error:
    if isinstance(error, (ConnectError, ConnectTimeoutError)):
        return NotSent(f"{url} accepts no connection")
    if isinstance(error, RequestTimeoutError):
        return DeadlineExceeded(f"{url} did not answer in time")
    return Lost(f"the connection to {url} broke before it had answered: {error.message}")
