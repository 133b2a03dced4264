"""Reading server-sent events (HTML standard, section 9.2) from chunks of bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from atoll.contracts import BadGateway

MAX_EVENT = 16 * 1024 * 1024  # bytes


class ServerEvent(NamedTuple):
    """kind: "message" unless the event says otherwise."""

    kind: str
    data: bytes


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[ServerEvent]:
    """The events as they come; comments and empty events are left out. BadGateway for one that is too large."""
    buffer = bytearray()
    kind, data = b"message", list[bytes]()
    async for chunk in chunks:
        buffer += chunk
        if len(buffer) > MAX_EVENT:
            raise BadGateway(f"an event of the stream is larger than {MAX_EVENT} bytes")
        *lines, rest = buffer.split(b"\n")
        buffer = rest
        for line in lines:
            name, _, value = bytes(line).removesuffix(b"\r").partition(b":")
            if name == b"data":
                data.append(value.removeprefix(b" "))
            elif name == b"event":
                kind = value.removeprefix(b" ")
            elif not name and not value and not line.startswith(b":"):
                if data:
                    yield ServerEvent(kind.decode("latin-1"), b"\n".join(data))
                kind, data = b"message", []
