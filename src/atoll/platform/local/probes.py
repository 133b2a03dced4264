"""Whether something answers yet. Each probe is one short attempt; the keeper repeats it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

_ATTEMPT = 2.0  # seconds
_MOST_BYTES = 4 * 2**20  # of a reply


async def accepts(host: str, port: int) -> bool:
    """Whether a TCP connection is taken."""
    return await _first_line(host, port, b"", 0) is not None


async def greets(host: str, port: int, greeting: bytes) -> bool:
    """Whether the server says ``greeting`` first, as NATS does."""
    line = await _first_line(host, port, b"", len(greeting))
    return line is not None and line.startswith(greeting)


async def answers_ok(url: str) -> bool:
    """Whether GET answers 200."""
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nhost: {parts.netloc}\r\nconnection: close\r\n\r\n".encode()
    line = await _first_line(parts.hostname or "", parts.port or 80, request, 12)
    return line is not None and line[9:12] == b"200"


async def _first_line(host: str, port: int, request: bytes, wanted: int) -> bytes | None:
    """The first ``wanted`` bytes of the answer to ``request``; None if nobody is there."""
    try:
        async with asyncio.timeout(_ATTEMPT):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                return await reader.readexactly(wanted) if wanted else b""
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a GET was answered. whole: whether that is all of the body."""

    status: int
    body: bytes
    whole: bool = True


async def ask(url: str, limit: int = _MOST_BYTES) -> Answer | None:
    """The answer to a GET; None if there is none within two seconds, or none that can be understood. limit: bytes of its body."""
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.0\r\nhost: {parts.netloc}\r\nconnection: close\r\n\r\n".encode()
    try:
        async with asyncio.timeout(_ATTEMPT):
            reader, writer = await asyncio.open_connection(parts.hostname or "", parts.port or 80)
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                body = await _body(reader, limit + 1)
            finally:
                writer.close()
        whole = len(body) <= limit and len(body) >= _length(head)
        return Answer(int(head.split(None, 2)[1]), body[:limit], whole)
    except (OSError, TimeoutError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError):
        return None


async def _body(reader: asyncio.StreamReader, most: int) -> bytes:
    """All until the end, or the first ``most`` bytes."""
    body = bytearray()
    while len(body) < most and (piece := await reader.read(min(2**16, most - len(body)))):
        body += piece
    return bytes(body)


def _length(head: bytes) -> int:
    """How long the body is, as its head says; 0 if it does not say."""
    for line in head.splitlines()[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
