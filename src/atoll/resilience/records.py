"""What layers tell their hooks: small frozen records, made only when something out of the ordinary happens."""

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
    """A retry or a hedge was not made because too many were made lately."""


class BreakerOpened(Record, frozen=True):
    """Calls to an endpoint are refused for ``seconds``."""

    seconds: float


class BreakerClosed(Record, frozen=True):
    """A probe went well; calls flow again."""


class BulkheadFull(Record, frozen=True):
    """A call was refused because ``limit`` are in flight."""

    limit: int


class Shed(Record, frozen=True):
    """A request was refused because the process is busy: ``in_flight`` are there, ``limit`` can be served in time, and this
    one has ``waited`` seconds for the event loop."""

    in_flight: int
    limit: float
    waited: float


class Limited(Record, frozen=True):
    """A caller was refused because it asks too often; it may come back in ``seconds``."""

    caller: str
    seconds: float


class Hedged(Record, frozen=True):
    """A second attempt was started after ``delay`` seconds without a reply."""

    delay: float


class FellBack(Record, frozen=True):
    """The fallback's reply was given instead of the callee's; ``outcome`` is what went wrong."""

    outcome: str


class Coalesced(Record, frozen=True):
    """A call waits for the reply to an equal one that is under way."""


class CalleeFailed(Record, frozen=True):
    """An error of ``source``, a service that was called, was about to leave as our own: ``code`` became ``status``."""

    source: str
    code: str
    status: int


class Faulted(Record, frozen=True):
    """A fault that somebody ordered was applied: ``delay`` seconds of waiting, or an error with ``status`` (0: none)."""

    delay: float
    status: int


Hook = Callable[[Record], None]


def ignore(_: Record) -> None:
    """The hook of those who don't listen."""
