"""What a failure is, decided once: whether a call may be tried again, and whether it speaks against the endpoint."""

from __future__ import annotations

import asyncio
from enum import Enum

from atoll.contracts import BadGateway, DeadlineExceeded, Error, TooManyRequests, Unavailable

PASSED_ON = "atoll-callee"
"""The reply header by which a service says that the failure is not its own, and whose it is."""


class NotSent(Unavailable):
    """The call surely did not reach the callee: no connection, no endpoint, an open breaker, a full bulkhead."""


class Lost(BadGateway):
    """The connection broke after the call may have been sent: nobody knows whether it took effect."""


class Unreadable(BadGateway):
    """The callee answered with something that its contract does not allow; a repeat would bring the same."""


class Outcome(Enum):
    """What happened to a call."""

    SUCCEEDED = "succeeded"
    REJECTED = "rejected"  # the callee is well and refuses this call: 4xx
    NOT_SENT = "not sent"  # it had no effect, for certain
    THROTTLED = "throttled"  # 429, or a 503 with retry-after: the callee is well, and says when to come back
    PASSED_ON = "passed on"  # a callee of the callee failed: the callee is well, and has tried it again already
    UNAVAILABLE = "unavailable"  # 502, 503, or a connection that broke
    TIMED_OUT = "timed out"
    FAILED = "failed"  # 500, or an exception that no contract knows
    CANCELLED = "cancelled"  # nobody waits any more

    @property
    def against_endpoint(self) -> bool:
        """Whether it makes its endpoint look ill."""
        return self in _AGAINST

    @property
    def repeatable(self) -> bool:
        """Whether a repeat of an idempotent call could go better. A 500 is a defect, and mostly fails again."""
        return self in _REPEATABLE


_AGAINST = frozenset({Outcome.NOT_SENT, Outcome.UNAVAILABLE, Outcome.TIMED_OUT, Outcome.FAILED})
_REPEATABLE = frozenset({Outcome.NOT_SENT, Outcome.THROTTLED, Outcome.UNAVAILABLE, Outcome.TIMED_OUT})


def classify(failure: BaseException | None) -> Outcome:
    """The outcome of a call that raised ``failure``, or None for one that returned."""
    if failure is None:
        return Outcome.SUCCEEDED
    if isinstance(failure, Error):
        return _of_error(failure)
    if isinstance(failure, asyncio.CancelledError):
        return Outcome.CANCELLED
    if isinstance(failure, TimeoutError):
        return Outcome.TIMED_OUT
    return Outcome.UNAVAILABLE if isinstance(failure, OSError) else Outcome.FAILED


def _of_error(error: Error) -> Outcome:
    if isinstance(error, NotSent):
        return Outcome.NOT_SENT
    if isinstance(error, Unreadable):
        return Outcome.FAILED
    if isinstance(error, DeadlineExceeded):
        return Outcome.TIMED_OUT
    if PASSED_ON in error.headers:
        return Outcome.PASSED_ON
    if isinstance(error, TooManyRequests) or _asks_to_come_back(error):
        return Outcome.THROTTLED
    if isinstance(error, (Unavailable, BadGateway)) or error.status in (502, 503):
        return Outcome.UNAVAILABLE
    if error.status in (408, 504):
        return Outcome.TIMED_OUT
    return Outcome.REJECTED if error.status < 500 else Outcome.FAILED


def _asks_to_come_back(error: Error) -> bool:
    """A server that sheds load still answers, and fast: a breaker that opened on it would turn its overload into an outage."""
    return error.status == 503 and "retry-after" in error.headers
