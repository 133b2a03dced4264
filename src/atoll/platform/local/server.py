"""A small HTTP/1.1 server for JSON on the loopback: the supervisor's API needs no more, and starts in a millisecond."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from atoll.platform.local.ports import LOOPBACK

BODY_LIMIT = 65_536  # bytes
HEAD_LIMIT = 16_384
_IDLE = 75.0  # seconds until an idle connection is closed


@dataclass(frozen=True, slots=True)
class Call:
    """One request. token: the bearer token it shows."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    body: bytes
    token: str

    def shows(self, *tokens: str) -> bool:
        """Whether the token is one of these, compared in constant time."""
        return any(hmac.compare_digest(self.token.encode(), token.encode()) for token in tokens)


class Refusal(Exception):
    """Answered as ``{"error": text, "details": [...]}`` with that status."""

    def __init__(self, status: HTTPStatus, text: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.details = details


Answer = Callable[[Call], Awaitable[object]]


class JsonServer:
    """Serves ``answer`` on a port of the loopback; what it returns is sent as JSON with status 200."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, port, limit=HEAD_LIMIT, reuse_address=True)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.CancelledError):
            pass  # the peer left, sent no HTTP, or we stop: nobody is there to be told
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays open."""
        async with asyncio.timeout(_IDLE):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }
        status, answer = await self._answered(first, headers, reader)
        content = msgspec.json.encode(answer)
        keep = headers.get("connection", "").lower() != "close" and status < HTTPStatus.INTERNAL_SERVER_ERROR
        writer.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
            f"connection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode()
            + content
        )
        await writer.drain()
        return keep

    async def _answered(
        self, first: str, headers: Mapping[str, str], reader: asyncio.StreamReader
    ) -> tuple[HTTPStatus, object]:
        method, target, _ = first.split(" ", 2)
        size = int(headers.get("content-length", "0"))
        if size > BODY_LIMIT or "transfer-encoding" in headers:
            raise ValueError("no such request is known here")
        body = await reader.readexactly(size)
        parts = urlsplit(target)
        path = tuple(unquote(segment) for segment in parts.path.strip("/").split("/"))
        token = headers.get("authorization", "").removeprefix("Bearer ")
        try:
            return HTTPStatus.OK, await self._answer(Call(method, path, dict(parse_qsl(parts.query)), body, token))
        except Refusal as refusal:
            return refusal.status, {"error": str(refusal), "details": refusal.details}
