"""Protocol Buffers' wire format, as much of it as OTLP needs: a few functions, so that a service needs no other package.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from atoll.service.tracing import Value

_double = struct.Struct("<d").pack
_fixed64 = struct.Struct("<Q").pack
_SHORT = [bytes((n,)) for n in range(128)]


def varint(number: int) -> bytes:
    """A number, seven bits a byte; negative ones as 64 bits."""
    if 0 <= number < 128:
        return _SHORT[number]
    number &= 0xFFFF_FFFF_FFFF_FFFF
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def block(field: int, data: bytes) -> bytes:
    """A field of bytes: a text, or another message."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def text(field: int, value: str) -> bytes:
    """A text; what UTF-8 cannot hold becomes question marks."""
    return block(field, value.encode("utf-8", "replace"))


def number(field: int, value: int) -> bytes:
    """A number as a varint (enum, bool, int64)."""
    return varint(field << 3) + varint(value)


def fixed64(field: int, value: int) -> bytes:
    """A number in eight bytes (nanoseconds since 1970)."""
    return varint(field << 3 | 1) + _fixed64(value)


def double(field: int, value: float) -> bytes:
    """A floating-point number."""
    return varint(field << 3 | 1) + _double(value)


def packed(field: int, values: bytes) -> bytes:
    """Many numbers of the same width."""
    return block(field, values)


def attribute(field: int, name: str, value: Value | Iterable[str]) -> bytes:
    """A KeyValue."""
    return block(field, text(1, name) + block(2, any_value(value)))


def attributes(field: int, values: Mapping[str, Value]) -> bytes:
    """A KeyValue each."""
    return b"".join([attribute(field, name, value) for name, value in values.items()])


def any_value(value: Value | Iterable[str]) -> bytes:
    """An AnyValue."""
    if isinstance(value, str):
        return text(1, value)
    if isinstance(value, bool):
        return number(2, value)
    if isinstance(value, int):
        return number(3, value)
    if isinstance(value, float):
        return double(4, value)
    return block(5, b"".join([block(1, text(1, str(one))) for one in value]))
