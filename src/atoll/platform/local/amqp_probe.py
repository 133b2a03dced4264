"""Whether RabbitMQ is ready, by the first frames of AMQP 0-9-1 (https://www.rabbitmq.com/amqp-0-9-1-protocol)."""

from __future__ import annotations

import asyncio
import struct

_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD, _END = 1, 0xCE  # a frame's type, and its last byte
_START, _START_OK, _TUNE = (10, 10), (10, 11), (10, 30)  # class and method
_LIMIT = 2.0  # seconds for one look
_LARGEST = 65_536  # bytes of a frame that comes before the tuning


async def speaks(host: str, port: int) -> bool:
    """Whether a broker begins the conversation."""
    return await _converse(host, port, None)


async def lets_in(host: str, port: int, user: str, password: str) -> bool:
    """Whether the broker takes connections of this user."""
    return await _converse(host, port, (user, password))


async def _converse(host: str, port: int, credentials: tuple[str, str] | None) -> bool:
    try:
        async with asyncio.timeout(_LIMIT):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_HEADER)
                begun = await _method(reader) == _START
                if credentials is None or not begun:
                    return begun
                writer.write(_start_ok(*credentials))
                return await _method(reader) == _TUNE
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, struct.error):
        return False


async def _method(reader: asyncio.StreamReader) -> tuple[int, int]:
    kind, _, size = struct.unpack("!BHI", await reader.readexactly(7))
    if kind != _METHOD or size > _LARGEST:
        return 0, 0
    payload = await reader.readexactly(size + 1)
    found: tuple[int, int] = struct.unpack_from("!HH", payload)
    return found


def _start_ok(user: str, password: str) -> bytes:
    response = f"\0{user}\0{password}".encode()
    payload = struct.pack("!HHI", *_START_OK, 0) + _short(b"PLAIN") + struct.pack("!I", len(response)) + response
    payload += _short(b"en_US")
    return struct.pack("!BHI", _METHOD, 0, len(payload)) + payload + bytes([_END])


def _short(text: bytes) -> bytes:
    return bytes([len(text)]) + text
