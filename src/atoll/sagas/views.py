"""What is shown of a saga: frozen records, for a command line or a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from atoll.data import Row

COLUMNS = "id, name, key, status, backward, due, cause, stuck, trouble, started_at, moved_at, ended_at, message"


@dataclass(frozen=True, slots=True)
class SagaView:
    """A saga. state: running, compensating, parked, completed or compensated. due: when it goes on by itself.

    cause: why it is compensated. step, trouble: what is in the way if it is parked.
    """

    id: UUID
    name: str
    key: str
    state: str
    compensating: bool
    due: datetime | None
    cause: str
    step: str
    trouble: str
    started_at: datetime
    moved_at: datetime
    ended_at: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class SagaStepView:
    """A row of the journal. kind: step, call, wait, timer or undo. state: trying, done, failed or skipped.

    input: of a call, JSON. result: JSON. error: of the last attempt. due: of the next attempt, or the end of a wait.
    """

    name: str
    position: str
    kind: str
    state: str
    attempts: int
    input: str
    result: str
    error: str
    due: datetime | None
    begun_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class SagaEventView:
    """Something that came for a saga. state: waiting, taken, or late: it changed nothing."""

    subject: str
    data: str
    state: str
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class SagaDetail:
    """A saga with its history."""

    saga: SagaView
    steps: Sequence[SagaStepView]
    events: Sequence[SagaEventView]


@dataclass(frozen=True, slots=True)
class SagaCount:
    """How many sagas of a name are in a state. stuck: how many of them are parked or overdue."""

    name: str
    status: str
    compensating: bool
    number: int
    stuck: int


def view_of(row: Row) -> SagaView:
    """A row of `COLUMNS`."""
    state = row["status"]
    if state == "active":
        state = "compensating" if row["backward"] else "running"
    return SagaView(
        id=row["id"], name=row["name"], key=row["key"], state=state, compensating=row["backward"], due=row["due"],
        cause=row["cause"] or "", step=row["stuck"] or "", trouble=row["trouble"] or "", started_at=row["started_at"],
        moved_at=row["moved_at"], ended_at=row["ended_at"], message=row["message"],
    )  # fmt: skip


def detail_of(row: Row, steps: Sequence[Row], events: Sequence[Row]) -> SagaDetail:
    """A saga's row, those of its journal and of its events."""
    return SagaDetail(
        view_of(row),
        [_step(step) for step in steps],
        [SagaEventView(one["subject"], one["data"], one["state"], one["arrived_at"]) for one in events],
    )


def _step(row: Row) -> SagaStepView:
    return SagaStepView(
        name=row["name"], position=row["position"], kind=row["kind"], state=row["state"], attempts=row["attempts"],
        input=row["input"] or "", result=row["result"] or "", error=row["error"] or "", due=row["due"],
        begun_at=row["begun_at"], ended_at=row["ended_at"],
    )  # fmt: skip
