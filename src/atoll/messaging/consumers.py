"""`Consumers`: what a service consumes, as a person sees it, and pausing it. It is kept in the service's own database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from atoll.contracts import NotFound
from atoll.data import Connection, Database

_SEEN = """
INSERT INTO atoll.consumers (consumer, subject) SELECT $1, unnest($2::text[])
ON CONFLICT (consumer, subject) DO UPDATE SET seen_at = now()
"""
_PAUSED = "SELECT subject FROM atoll.consumers WHERE consumer = $1 AND paused_at IS NOT NULL"
_LIST = """
SELECT consumer, subject, seen_at, paused_at, why,
       (SELECT count(*) FROM atoll.parked p WHERE (p.consumer, p.subject) = (c.consumer, c.subject)) AS parked,
       (SELECT count(*) FROM atoll.dead_letters d WHERE (d.consumer, d.subject) = (c.consumer, c.subject)) AS dead
FROM atoll.consumers c ORDER BY consumer, subject
"""
_PAUSE = """
UPDATE atoll.consumers SET paused_at = coalesce(paused_at, now()), why = $2 WHERE $1 = '' OR subject = $1 RETURNING subject
"""
_RESUME = "UPDATE atoll.consumers SET paused_at = NULL, why = '' WHERE $1 = '' OR subject = $1 RETURNING subject"


@dataclass(frozen=True, slots=True)
class ConsumerView:
    """One subject that a service consumes. seen_at: when an instance last started to. paused_at: None unless it is paused.

    parked, dead: how many messages of it wait for another attempt, and for a person.
    """

    consumer: str
    subject: str
    seen_at: datetime
    paused_at: datetime | None
    why: str
    parked: int
    dead: int


class Consumers:
    """The consumers of a service's database. A pause reaches every instance within a second or so, and survives restarts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[ConsumerView]:
        """What is consumed here, or once was, by subject."""
        async with self._database.connection() as connection:
            return [ConsumerView(**row) for row in await connection.fetch(_LIST)]

    async def pause(self, subject: str = "", *, why: str = "") -> Sequence[str]:
        """Handles no more messages of the subject, or of any: they stay with the broker, which keeps them for days.

        What runs is finished. The subjects; NotFound if nothing here consumes it.
        """
        return await self._change(subject, _PAUSE, subject, why)

    async def resume(self, subject: str = "") -> Sequence[str]:
        """Goes on where it was paused, in order. The subjects; NotFound if nothing here consumes it."""
        return await self._change(subject, _RESUME, subject)

    async def _change(self, subject: str, statement: str, *arguments: str) -> Sequence[str]:
        async with self._database.connection() as connection:
            subjects = [row["subject"] for row in await connection.fetch(statement, *arguments)]
        if subjects:
            return sorted(subjects)
        known = ", ".join(view.subject for view in await self.list()) or "nothing"
        raise NotFound(f"{subject or 'an event'} is not consumed here; it consumes {known}")


async def note_seen(connection: Connection, consumer: str, subjects: Collection[str]) -> None:
    """Remembers that these are consumed now."""
    await connection.execute(_SEEN, consumer, list(subjects))


async def paused_subjects(connection: Connection, consumer: str) -> frozenset[str]:
    """Which are paused."""
    return frozenset(row["subject"] for row in await connection.fetch(_PAUSED, consumer))
