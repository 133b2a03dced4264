"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T | None], *, within: float, what: str, pause: float = 0.02) -> T:
    """What ``look`` finds, as soon as it finds something; fails after ``within`` seconds."""
    end = time.monotonic() + within
    while True:
        if found := look():
            return found
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        time.sleep(pause)
