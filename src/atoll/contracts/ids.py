"""Identifiers: UUIDs of version 7 (RFC 9562), which sort by the time they were made and index well.

Give each kind of thing a type of its own: ``OrderId = NewType("OrderId", UUID)`` and ``new_id(OrderId)``; a type checker then
refuses a `UserId` where an `OrderId` belongs, and on the wire both are plain UUID strings.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_MASK = (1 << 74) - 1


def uuid7() -> UUID:
    """A new UUID of version 7: 48 bits of milliseconds since 1970, 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM_MASK
    high, low = random >> 62, random & ((1 << 62) - 1)
    return UUID(int=(time.time_ns() // 1_000_000) << 80 | _VERSION | high << 64 | _VARIANT | low)


def new_id(kind: Callable[[UUID], T]) -> T:
    """A new identifier of a kind made with ``NewType("OrderId", UUID)``."""
    return kind(uuid7())
