"""What ends a step or a run: errors that a saga's code may catch, and signals that are none of its business.

The signals are no `Exception`, so that an ``except Exception`` in a saga lets them through.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from atoll.contracts import Error, Problem
from atoll.contracts.errors import error_from_problem
from atoll.resilience.classify import Outcome, classify


class TimedOut(Error, code="saga-timed-out", status=504, title="The event did not come in time"):
    """What a saga waited for did not come in time."""


class GaveUp(Error, code="saga-gave-up", status=504, title="The step did not succeed in time"):
    """A step failed again and again until its time was over; whether a call took effect is not known."""


class Signal(BaseException):
    """Ends the saga's function for now."""


class Suspended(Signal):
    """Nothing is left to do until ``due``, or until an event comes (None: only then)."""

    def __init__(self, due: datetime | None) -> None:
        super().__init__(due)
        self.due = due


class Unwound(Signal):
    """The saga is being compensated, and its function came to what was not done any more."""


class Overtaken(Signal):
    """Somebody else has moved the saga on: another instance, or a person. This run must not write any more."""


class Away(Signal):
    """The service's own database is away; nothing was decided."""


class Stuck(Signal):
    """Only a person can help. step: the name of the step that is in the way, empty if none is."""

    def __init__(self, step: str, trouble: str) -> None:
        super().__init__(trouble)
        self.step = step
        self.trouble = trouble


class Changed(Stuck):
    """The journal was written by code that had other steps."""

    def __init__(self, trouble: str) -> None:
        super().__init__("", f"{CHANGED}: {trouble}")


CHANGED = "the journal does not fit the code"
_OWN: Mapping[str, type[Error]] = {one.code: one for one in (TimedOut, GaveUp)}
_decode = msgspec.json.Decoder(Problem).decode


def is_refusal(error: Error) -> bool:
    """Whether the error is an answer, so that asking again would bring the same; a conflict that asks to come back is none."""
    return classify(error) is Outcome.REJECTED and "retry-after" not in error.headers


def problem_text(error: Error) -> str:
    """The error as the journal holds it."""
    return msgspec.json.encode(error.problem()).decode()


def error_of(text: str, declared: Mapping[str, type[Error]]) -> Error:
    """The error that the journal holds; the same class at the first time as at each replay."""
    return error_from_problem(_decode(text), {**declared, **_OWN})
