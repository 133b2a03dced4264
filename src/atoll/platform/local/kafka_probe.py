"""Whether Kafka is ready, by a few requests of its protocol (https://kafka.apache.org/protocol)."""

from __future__ import annotations

import asyncio
import struct
from typing import Self

_VERSIONS, _HANDSHAKE, _AUTHENTICATE, _METADATA = (18, 0), (17, 1), (36, 0), (3, 1)  # key and version
_LIMIT = 2.0  # seconds for one look
_LARGEST = 1_048_576  # bytes of an answer


async def speaks(host: str, port: int) -> bool:
    """Whether a broker answers what every client asks first, before it says who it is."""
    try:
        async with asyncio.timeout(_LIMIT), _Conversation(host, port) as broker:
            return _error(await broker.ask(_VERSIONS, b"")) == 0
    except (OSError, TimeoutError, asyncio.IncompleteReadError, struct.error):
        return False


async def serves(host: str, port: int, user: str, password: str) -> bool:
    """Whether the broker takes the user (by PLAIN), and says that it is in service itself."""
    try:
        async with asyncio.timeout(_LIMIT), _Conversation(host, port) as broker:
            if _error(await broker.ask(_HANDSHAKE, _text(b"PLAIN"))):
                return False
            proof = f"\0{user}\0{password}".encode()
            if _error(await broker.ask(_AUTHENTICATE, struct.pack("!i", len(proof)) + proof)):
                return False
            brokers: int = struct.unpack_from("!i", await broker.ask(_METADATA, struct.pack("!i", 0)))[0]
            return brokers > 0  # one that is not in service yet leaves itself out
    except (OSError, TimeoutError, asyncio.IncompleteReadError, struct.error):
        return False


class _Conversation:
    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, what: tuple[int, int], body: bytes) -> bytes:
        """The answer, without its length and number."""
        request = struct.pack("!hhi", *what, 1) + _text(b"atoll") + body
        self._writer.write(struct.pack("!i", len(request)) + request)
        size: int = struct.unpack("!i", await self._reader.readexactly(4))[0]
        return (await self._reader.readexactly(min(max(size, 0), _LARGEST)))[4:]


def _text(text: bytes) -> bytes:
    return struct.pack("!h", len(text)) + text


def _error(answer: bytes) -> int:
    code: int = struct.unpack_from("!h", answer)[0]
    return code
