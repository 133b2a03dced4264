"""Dead letters: messages that exhausted their attempts, and what a person does with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from atoll.contracts import Error, NotFound
from atoll.crash import crash_point
from atoll.data import Database, Row
from atoll.messaging.envelope import Envelope, decode_envelope

_LIST = """
SELECT * FROM atoll.dead_letters
WHERE id > $1 AND ($3 = '' OR consumer = $3) AND ($4 = '' OR subject = $4) AND ($5 = '' OR key = $5)
  AND ($6 = '' OR position(lower($6) IN lower(error)) > 0) AND ($7::timestamptz IS NULL OR died_at >= $7)
ORDER BY id LIMIT $2
"""
_ONE = "SELECT * FROM atoll.dead_letters WHERE id = $1"
_BEHIND = """
SELECT message_id, subject, attempts, due, error, parked_at FROM atoll.parked
WHERE consumer = $1 AND key = $2 ORDER BY seq LIMIT 100
"""
_COUNT = "SELECT (SELECT count(*) FROM atoll.parked) AS parked, (SELECT count(*) FROM atoll.dead_letters) AS dead"
# Its death wrote an inbox row of the same moment; a later one says that it came once more and was handled after all.
_LOCKED = """
SELECT id, EXISTS (
  SELECT FROM atoll.inbox i WHERE i.consumer = d.consumer AND i.message_id = d.message_id AND i.handled_at > d.died_at
) AS handled FROM atoll.dead_letters d WHERE id = ANY($1) ORDER BY id FOR UPDATE OF d
"""
_FORGET = """
DELETE FROM atoll.inbox i USING atoll.dead_letters d
WHERE d.id = ANY($1) AND i.consumer = d.consumer AND i.message_id = d.message_id
"""
_PARK = """
INSERT INTO atoll.parked (consumer, partition, key, message_id, subject, body, attempts, error, stack, delays, due)
SELECT d.consumer, d.partition, d.key, d.message_id, d.subject, d.body, 0, d.error, d.stack, 0,
       CASE WHEN row_number() OVER (PARTITION BY d.consumer, d.key ORDER BY d.id) = 1
                 AND NOT EXISTS (SELECT FROM atoll.parked p WHERE p.consumer = d.consumer AND p.key = d.key)
            THEN now() END
FROM atoll.dead_letters d WHERE d.id = ANY($1) ORDER BY d.id
ON CONFLICT (consumer, message_id) DO NOTHING
"""
_SETTLE = """
WITH gone AS (DELETE FROM atoll.dead_letters WHERE id = ANY($1) RETURNING *)
INSERT INTO atoll.settled_letters (id, consumer, message_id, subject, key, error, outcome)
SELECT id, consumer, message_id, subject, key, error, $2 FROM gone
"""
_FATE = """
SELECT s.outcome, s.settled_at, p.seq, i.handled_at, d.id AS again
FROM atoll.settled_letters s
LEFT JOIN atoll.parked p USING (consumer, message_id) LEFT JOIN atoll.inbox i USING (consumer, message_id)
LEFT JOIN atoll.dead_letters d USING (consumer, message_id) WHERE s.id = $1
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be handled, and why. body: the CloudEvent as it came. stack: of the last attempt."""

    id: int
    consumer: str
    message_id: str
    subject: str
    key: str
    body: bytes
    error: str
    stack: str
    attempts: int
    died_at: datetime

    @property
    def headers(self) -> dict[str, str]:
        """What travelled with it; empty if it could not even be decoded."""
        envelope = self.envelope
        return {} if envelope is None else envelope.headers()

    @property
    def envelope(self) -> Envelope | None:
        """The CloudEvent; None if it is none."""
        try:
            return decode_envelope(self.body)
        except (Error, msgspec.MsgspecError):
            return None


@dataclass(frozen=True, slots=True)
class Letters:
    """Which dead letters are meant; what is empty does not matter. error: a part of it. since: they died then or later."""

    consumer: str = ""
    subject: str = ""
    key: str = ""
    error: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parked message. due: when it is tried again; None behind another of its key."""

    message_id: str
    subject: str
    attempts: int
    due: datetime | None
    error: str
    parked_at: datetime


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a dead letter. outcome: redriven or dropped.

    now: ``handled``, ``waiting`` (for its attempts), ``dead`` (again, under the id ``again``) or ``dropped``.
    """

    outcome: str
    at: datetime
    now: str
    handled_at: datetime | None
    again: int | None


@dataclass(frozen=True, slots=True)
class Troubled:
    """How many messages are parked, and how many are dead."""

    parked: int
    dead: int


class DeadLetters:
    """The dead letters of a service's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, which: Letters | None = None, *, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """The oldest first, from the one behind the id ``after``."""
        which = which or Letters()
        asked = which.consumer, which.subject, which.key, which.error, which.since
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST, after, limit, *asked)
        return [_letter(row) for row in rows]

    async def get(self, letter_id: int) -> DeadLetter:
        """One of them. NotFound."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_ONE, letter_id)
        if row is None:
            raise NotFound(f"there is no dead letter {letter_id}")
        return _letter(row)

    async def waiting(self, letter: DeadLetter) -> Sequence[Waiting]:
        """What is parked of its key, in order; the first hundred."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_BEHIND, letter.consumer, letter.key)
        return [Waiting(**dict(row)) for row in rows]

    async def newest(self) -> int:
        """The id of the newest one; 0 without any."""
        async with self._database.connection() as connection:
            found: int = await connection.fetchval("SELECT coalesce(max(id), 0) FROM atoll.dead_letters")
        return found

    async def count(self) -> Troubled:
        """How many messages wait for another attempt, and how many for a person."""
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(_COUNT)
        return Troubled(row["parked"], row["dead"])

    async def fate(self, letter_id: int) -> Fate | None:
        """What became of one that was redriven or dropped (within 30 days); None if that is not known."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FATE, letter_id)
        return None if row is None else _fate(row)

    async def redrive(self, *ids: int) -> int:
        """Gives them to their handlers again, with all their attempts; how many. It takes a second or so.

        They go through the service's own database, not through the broker, so no dedupe window drops them. One that was
        handled after it had died (published again, it came when the inbox had forgotten it) stays as it is.
        """
        async with self._database.work() as work:
            again = [row["id"] for row in await work.fetch(_LOCKED, ids) if not row["handled"]]
            if again:
                await work.execute(_FORGET, again)
                await work.execute(_PARK, again)
                crash_point("during-redrive")
                await work.execute(_SETTLE, again, "redriven")
        return len(again)

    async def drop(self, *ids: int) -> int:
        """Deletes them for good; how many. Their ids and errors are remembered for 30 days."""
        async with self._database.work() as work:
            status = await work.execute(_SETTLE, ids, "dropped")
        return int(status.rpartition(" ")[2])


def _letter(row: Row) -> DeadLetter:
    return DeadLetter(
        id=row["id"],
        consumer=row["consumer"],
        message_id=row["message_id"],
        subject=row["subject"],
        key=row["key"],
        body=row["body"],
        error=row["error"],
        stack=row["stack"],
        attempts=row["attempts"],
        died_at=row["died_at"],
    )


def _fate(row: Row) -> Fate:
    if row["outcome"] == "dropped":
        now = "dropped"
    elif row["again"] is not None:
        now = "dead"
    else:
        now = "waiting" if row["seq"] is not None else "handled"
    return Fate(row["outcome"], row["settled_at"], now, row["handled_at"] if now == "handled" else None, row["again"])
