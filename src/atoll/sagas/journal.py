"""The journal of one saga: loaded at the start of a run, and written with an optimistic version.

Every write moves the saga's version on in its own transaction. Who finds another version than the one that was loaded has been
overtaken, by another instance or a person, and writes nothing: so a local step's effect commits once, whoever else runs it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from atoll.crash import crash_point
from atoll.data import Database, Row, Work
from atoll.data.postgres import one_line
from atoll.sagas.failures import Overtaken
from atoll.telemetry.redaction import redacted

Position = tuple[int, ...]
KEPT = 2_000  # characters of an error's text

_LOAD = "SELECT *, clock_timestamp() AS clock FROM atoll.sagas WHERE id = $1"
_STEPS = "SELECT * FROM atoll.saga_steps WHERE saga = $1"
_EVENTS = "SELECT seq, subject, data FROM atoll.saga_events WHERE saga = $1 AND state = 'waiting' ORDER BY seq"
_MOVE = "UPDATE atoll.sagas SET version = version + 1, moved_at = clock_timestamp(){} WHERE id = $1 AND version = $2"
_UNDISTURBED = " AND arrivals = $3"
_ADVANCE = _MOVE.format("")
_ADVANCE_UNDISTURBED = _ADVANCE + _UNDISTURBED
_SUSPEND = _MOVE.format(", due = $4") + _UNDISTURBED
_TURN = _MOVE.format(", backward = true, due = clock_timestamp(), cause = $3")
_PARK = _MOVE.format(", status = 'parked', due = NULL, stuck = $3, trouble = $4")
_END = _MOVE.format(", status = $3, due = NULL, ended_at = clock_timestamp()")
_DONE = """
INSERT INTO atoll.saga_steps AS s (saga, name, position, kind, state, result, attempts, tried_at, ended_at, ended_version)
VALUES ($1, $2, $3, $4, 'done', $5, 1, clock_timestamp(), clock_timestamp(), $6)
ON CONFLICT (saga, name) DO UPDATE SET
  state = 'done', result = $5, error = NULL, due = NULL, ended_at = clock_timestamp(), ended_version = $6,
  attempts = s.attempts + CASE WHEN $4 = 'step' THEN 1 ELSE 0 END
"""
_FAILED = """
INSERT INTO atoll.saga_steps AS s
  (saga, name, position, kind, state, error, unknown, attempts, tried_at, ended_at, ended_version)
VALUES ($1, $2, $3, $4, 'failed', $5, $6, 1, clock_timestamp(), clock_timestamp(), $7)
ON CONFLICT (saga, name) DO UPDATE SET
  state = 'failed', error = $5, unknown = $6, due = NULL, ended_at = clock_timestamp(), ended_version = $7,
  attempts = s.attempts + CASE WHEN $4 = 'step' THEN 1 ELSE 0 END
"""
_BEGIN = """
INSERT INTO atoll.saga_steps AS s (saga, name, position, kind, state, input, attempts, tried_at)
VALUES ($1, $2, $3, $4, 'trying', $5, 1, clock_timestamp())
ON CONFLICT (saga, name) DO UPDATE SET attempts = s.attempts + 1, due = NULL, tried_at = clock_timestamp()
"""
_POSTPONE = """
INSERT INTO atoll.saga_steps AS s (saga, name, position, kind, state, error, attempts, due, tried_at)
VALUES ($1, $2, $3, $4, 'trying', $5, 1, clock_timestamp() + $6::interval, clock_timestamp())
ON CONFLICT (saga, name) DO UPDATE SET
  error = $5, due = clock_timestamp() + $6::interval, attempts = s.attempts + CASE WHEN $7 THEN 0 ELSE 1 END
RETURNING due
"""
_AWAIT = """
INSERT INTO atoll.saga_steps (saga, name, position, kind, state, due)
VALUES ($1, $2, $3, $4, 'trying', clock_timestamp() + $5::interval) RETURNING due
"""
_TAKE = "UPDATE atoll.saga_events SET state = 'taken' WHERE saga = $1 AND seq = $2"
LEFT_OVER = "UPDATE atoll.saga_events SET state = 'late' WHERE saga = $1 AND state = 'waiting'"
_LATE = """
INSERT INTO atoll.saga_events (saga, subject, data, state)
SELECT id, $2, $3, 'late' FROM atoll.sagas WHERE id = $1 AND (backward OR status IN ('completed', 'compensated'))
"""


@dataclass(slots=True)
class Entry:
    """A row of the journal. state: trying, done, failed or skipped. due: of the next attempt, or of a wait's end.

    unknown: whether a call that failed may have taken effect.
    """

    name: str
    position: Position
    kind: str
    state: str
    input: str | None = None
    result: str | None = None
    error: str | None = None
    unknown: bool = False
    attempts: int = 0
    due: datetime | None = None
    begun_at: datetime | None = None
    tried_at: datetime | None = None
    ended_version: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step stands: its name, its position in the code, its kind."""

    name: str
    position: Position
    kind: str

    @property
    def row(self) -> tuple[str, str, str]:
        """Its columns."""
        return self.name, ".".join(map(str, self.position)), self.kind


@dataclass(slots=True)
class Waiting:
    """An event that came and was not taken yet."""

    seq: int
    subject: str
    data: str


@dataclass(slots=True)
class Journal:
    """One saga as it was loaded, and as this run has moved it on since."""

    id: UUID
    name: str
    key: str
    message: str
    headers: str | None
    active: bool
    backward: bool
    version: int
    arrivals: int
    clock: datetime
    entries: dict[str, Entry] = field(default_factory=dict)
    events: list[Waiting] = field(default_factory=list)
    loaded_at: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """The database's time."""
        return self.clock + timedelta(seconds=time.monotonic() - self.loaded_at)

    async def advance(self, work: Work, *, undisturbed: bool = False) -> int:
        """Moves the version on in this transaction; the new one. `Overtaken` if it is not ours any more.

        undisturbed: also if an event has come since the journal was loaded, for a timer must not win over an event that is there.
        """
        if undisturbed:
            status = await work.execute(_ADVANCE_UNDISTURBED, self.id, self.version, self.arrivals)
        else:
            status = await work.execute(_ADVANCE, self.id, self.version)
        return self._moved(status)

    def committed(self) -> None:
        """The transaction that advanced it has committed."""
        self.version += 1

    async def done(self, work: Work, place: Place, result: str | None) -> None:
        """The step's result, in this transaction."""
        version = await self.advance(work)
        await work.execute(_DONE, self.id, *place.row, result, version)

    async def failed(self, work: Work, place: Place, error: str, *, unknown: bool, undisturbed: bool = False) -> int:
        """The step's failure, in this transaction; the version that it is journaled under."""
        version = await self.advance(work, undisturbed=undisturbed)
        await work.execute(_FAILED, self.id, *place.row, error, unknown, version)
        return version

    async def begin(self, work: Work, place: Place, message: str) -> None:
        """An attempt of a call begins, with this message; a later attempt keeps the first one's."""
        await self.advance(work)
        await work.execute(_BEGIN, self.id, *place.row, message)

    async def postpone(self, work: Work, place: Place, error: BaseException, delay: float, *, begun: bool) -> datetime:
        """An attempt failed; when the next one is due. begun: the attempt was counted when it began."""
        await self.advance(work)
        found: datetime = await work.fetchval(
            _POSTPONE, self.id, *place.row, clean(one_line(error)), timedelta(seconds=delay), begun
        )
        return found

    async def wait(self, work: Work, place: Place, seconds: float | None) -> datetime | None:
        """A wait begins; when it ends."""
        await self.advance(work)
        delay = None if seconds is None else timedelta(seconds=seconds)
        found: datetime | None = await work.fetchval(_AWAIT, self.id, *place.row, delay)
        return found

    async def take(self, work: Work, place: Place, event: Waiting) -> None:
        """The wait ends with this event."""
        await self.done(work, place, event.data)
        await work.execute(_TAKE, self.id, event.seq)

    async def suspend(self, work: Work, due: datetime | None) -> None:
        """Nothing to do until ``due``; `Overtaken` if an event has come meanwhile."""
        self._moved(await work.execute(_SUSPEND, self.id, self.version, self.arrivals, due))

    async def turn(self, work: Work, cause: str) -> None:
        """From now on it is compensated."""
        self._moved(await work.execute(_TURN, self.id, self.version, clean(cause)))
        await work.execute(LEFT_OVER, self.id)

    async def park(self, work: Work, step: str, trouble: str) -> None:
        """It waits for a person."""
        self._moved(await work.execute(_PARK, self.id, self.version, step, clean(trouble)))

    async def end(self, work: Work) -> None:
        """It is over."""
        crash_point("before-saga-end")
        status = "compensated" if self.backward else "completed"
        self._moved(await work.execute(_END, self.id, self.version, status))
        await work.execute(LEFT_OVER, self.id)

    def _moved(self, status: str) -> int:
        if status != "UPDATE 1":
            raise Overtaken(f"saga {self.id} was moved on by somebody else")
        return self.version + 1


async def load(database: Database, saga_id: UUID) -> Journal | None:
    """The saga with all that is journaled; None if there is none."""
    async with database.work() as work:
        await work.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = await work.fetchrow(_LOAD, saga_id)
        if row is None:
            return None
        steps = await work.fetch(_STEPS, saga_id)
        events = await work.fetch(_EVENTS, saga_id)
    journal = Journal(
        id=row["id"], name=row["name"], key=row["key"], message=row["message"], headers=row["headers"],
        active=row["status"] == "active", backward=row["backward"], version=row["version"], arrivals=row["arrivals"],
        clock=row["clock"],
    )  # fmt: skip
    journal.entries = {step["name"]: _entry(step) for step in steps}
    journal.events = [Waiting(event["seq"], event["subject"], event["data"]) for event in events]
    return journal


async def record_late(database: Database, saga_id: UUID, what: str, data: str) -> None:
    """Keeps a reply that came when the saga was compensated or over; it changes nothing."""
    async with database.work() as work:
        await work.execute(_LATE, saga_id, what, data)


def clean(text: str) -> str:
    """As PostgreSQL can keep it, without what an error repeats of a row or a secret."""
    return redacted(text).replace("\x00", "\\0")[:KEPT]


def _entry(row: Row) -> Entry:
    values: dict[str, Any] = {
        name: row[name]
        for name in (
            "name", "kind", "state", "input", "result", "error", "unknown", "attempts", "due", "begun_at", "tried_at",
        )
    }  # fmt: skip
    position = tuple(int(part) for part in row["position"].split("."))
    return Entry(**values, position=position, ended_version=row["ended_version"] or 0)
