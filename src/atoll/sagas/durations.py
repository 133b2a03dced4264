"""Durations in words: ``days(14)`` reads better than 1209600. All are seconds."""

from __future__ import annotations


def seconds(number: float) -> float:
    """Seconds."""
    return float(number)


def minutes(number: float) -> float:
    """Minutes, in seconds."""
    return number * 60.0


def hours(number: float) -> float:
    """Hours, in seconds."""
    return number * 3_600.0


def days(number: float) -> float:
    """Days of 24 hours, in seconds."""
    return number * 86_400.0
