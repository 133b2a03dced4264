"""Identifiers: UUIDs of version 7 (RFC 9562), which sort by the time they were made and index well.

Give each kind of thing a type of its own: ``OrderId = NewType("OrderId", UUID)`` and ``new_id(OrderId)``; a type checker then
refuses a `UserId` where an `OrderId` belongs, and on the wire both are plain UUID strings.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_TICKS = 4096  # a millisecond, in the 12 bits that RFC 9562 (section 6.2, method 3) gives to its fraction
_LARGEST_BUMP = 1000 * _TICKS  # a clock that is set back further than a second is believed
_POOL = 512  # random numbers fetched at once: each fetch is a call of the operating system
_random: list[int] = []
_last = 0  # the tick of the newest id of this process


def uuid7() -> UUID:
    """A new UUID of version 7: 48 bits of milliseconds since 1970, 12 bits of their fraction, 62 random bits.

    Within a process each sorts after the one before, even where both are made in one tick of the clock.
    """
    global _last  # noqa: PLW0603  # what makes ids of one process strictly rise
    tick = time.time_ns() * _TICKS // 1_000_000
    if tick <= _last and _last - tick < _LARGEST_BUMP:
        tick = _last + 1
    _last = tick
    try:
        random = _random.pop()
    except IndexError:
        _random.extend(struct.unpack(f"{_POOL}Q", os.urandom(8 * _POOL)))
        random = _random.pop()
    random >>= 2
    return UUID(int=tick // _TICKS << 80 | _VERSION | tick % _TICKS << 64 | _VARIANT | random)


# A forked process must not hand out its parent's numbers.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.clear)


def new_id(kind: Callable[[UUID], T]) -> T:
    """A new identifier of a kind made with ``NewType("OrderId", UUID)``."""
    return kind(uuid7())
