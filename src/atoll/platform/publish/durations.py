"""Durations as Prometheus writes them."""

from __future__ import annotations

UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))


def duration(seconds: float) -> str:
    """``5m`` for 300, in the largest unit that tells it whole; at least a millisecond."""
    milliseconds = max(1, round(seconds * 1000))
    for size, unit in UNITS:
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    raise AssertionError("every whole number is some milliseconds")
