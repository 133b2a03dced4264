"""What layers tell their hooks: small frozen records, made only when somebody listens."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class Record(Struct, frozen=True):
    """Something a layer did. name: the call, ``payments.charge``, or the endpoint that it is about."""

    name: str


class Retrying(Record, frozen=True):
    """A failed attempt is about to be repeated after ``delay`` seconds; ``attempt`` counts from 1."""

    attempt: int
    delay: float
    outcome: str


class BudgetExhausted(Record, frozen=True):
    """A retry was not made because too many were made lately."""


class BreakerOpened(Record, frozen=True):
    """Calls to an endpoint are refused for ``seconds``."""

    seconds: float


class BreakerClosed(Record, frozen=True):
    """A probe went well; calls flow again."""


class BulkheadFull(Record, frozen=True):
    """A call was refused because ``limit`` are in flight."""

    limit: int


Hook = Callable[[Record], None]


def ignore(_: Record) -> None:
    """The hook of those who don't listen."""
