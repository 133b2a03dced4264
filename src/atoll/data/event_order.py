"""The one order of all stored events, which is the outbox's: ``(fence, position)``, see `outbox` for why it loses nothing.

A reader takes rows up to the first one that is not settled: no transaction that still runs can commit a row before those.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar, Self

import msgspec

from atoll.contracts import Invalid
from atoll.data.postgres import Connection, Row
from atoll.data.work import Work

# The bound is worked out once a statement: asking each row whether it is settled costs more than reading it.
_READ = """
SELECT * FROM (
  SELECT fence, position, stream, number, id, subject, version, headers, recorded_at,
         CASE WHEN subject = ANY($4::text[]) THEN data END AS data
  FROM atoll.events WHERE (fence, position) > ($1::xid8, $2::bigint) ORDER BY fence, position LIMIT $3
) ahead WHERE fence < (SELECT pg_snapshot_xmin(pg_current_snapshot())) ORDER BY fence, position
"""
# Ordered, for without it PostgreSQL may read the whole table: it hopes to meet such a row early, and they are the last ones.
_MORE = (
    "SELECT true FROM atoll.events WHERE (fence, position) > ($1::xid8, $2::bigint) ORDER BY fence, position LIMIT 1"
)
_NEWEST = "SELECT fence, position FROM atoll.events ORDER BY fence DESC, position DESC LIMIT 1"
_FOREIGN = "SELECT coalesce(max(fence) > pg_snapshot_xmax(pg_current_snapshot()), false) FROM atoll.events"
_RENUMBER = """
WITH line AS (
  SELECT max(position) AS last FROM atoll.events WHERE fence > pg_snapshot_xmax(pg_current_snapshot())
), renumbered AS (
  SELECT stream, number, row_number() OVER (ORDER BY position > line.last, fence, position) AS place FROM atoll.events, line
), moved AS (
  UPDATE atoll.projections p SET fence = '0', position = (
    SELECT count(*) FROM atoll.events e, line
    WHERE (e.position > line.last, e.fence, e.position) <= (p.position > line.last, p.fence, p.position)
  )
)
UPDATE atoll.events e SET fence = '0', position = r.place
FROM renumbered r WHERE (e.stream, e.number) = (r.stream, r.number)
"""


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in the order of all events of a service: up to and with this event. Text: ``fence-number``, ``781-42``."""

    fence: int
    number: int
    START: ClassVar[Position]

    def __str__(self) -> str:
        return f"{self.fence}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The position that was printed as ``text``; Invalid if it is none."""
        fence, dash, number = text.partition("-")
        if not (dash and fence.isascii() and fence.isdigit() and number.isascii() and number.isdigit()):
            raise Invalid(f"{text[:50]!r} is no position; one looks like 781-42")
        found = cls(int(fence), int(number))
        if found.fence >= 2**63 or found.number >= 2**63:
            raise Invalid(f"{text[:50]!r} is no position; its numbers are too large")
        return found


Position.START = Position(0, 0)


class Settled(msgspec.Struct, frozen=True):
    """A stretch of the order. rows: of wanted subjects. upto: how far it goes. full: more may follow at once."""

    rows: Sequence[Row]
    upto: Position
    full: bool


async def read_settled(source: Connection | Work, after: Position, subjects: Collection[str], limit: int) -> Settled:
    """The next events after a position, of these subjects; at most ``limit`` events of all subjects are looked at."""
    rows = await source.fetch(_READ, after.fence, after.number, limit, list(subjects))
    upto = Position(rows[-1]["fence"], rows[-1]["position"]) if rows else after
    return Settled([row for row in rows if row["data"] is not None], upto, full=len(rows) == limit)


async def more_follows(connection: Connection, after: Position) -> bool:
    """Whether there are events after a position, settled or not yet."""
    return bool(await connection.fetchval(_MORE, after.fence, after.number))


async def newest(connection: Connection) -> Position:
    """The place of the newest event that has been committed; the start if there is none."""
    row = await connection.fetchrow(_NEWEST)
    return Position.START if row is None else Position(row["fence"], row["position"])


async def mend(connection: Connection) -> bool:
    """Puts the order right in a database that was restored into another cluster; whether there was anything to do.

    Transaction ids start anew there, so that old fences lie in the future of new ones: new events would come before them.
    """
    if not await connection.fetchval(_FOREIGN):
        return False
    async with connection.transaction():
        await connection.execute("LOCK TABLE atoll.events, atoll.projections IN ACCESS EXCLUSIVE MODE")
        if not await connection.fetchval(_FOREIGN):
            return False
        await connection.execute(_RENUMBER)
        return True
