"""The event store: streams of events in the service's own database, appended in the unit of work of what they are about.

    events = EventStore([OrderPlaced, OrderPaid])
    await events.append(work, "order-17", [OrderPaid(...)], expected=1)

An event that the service declares in ``publishes=[...]`` goes into the outbox too, in the same statement, at the same place.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from atoll.contracts import Event, Upcaster
from atoll.data.deferred import StreamConflict
from atoll.data.event_order import Position, read_settled
from atoll.data.event_types import EventTypes, Stored
from atoll.data.outbox import FENCE, OutgoingEvent, outgoing
from atoll.data.postgres import Row, UniqueViolation
from atoll.data.work import Work

PAGE = 2_000  # events that one statement reads
MAX_STREAM = 512  # bytes of a stream's name; an index entry holds it
_COLUMNS = "fence, stream, number, id, subject, version, data, headers"
_AT_END = "$2::bigint = coalesce((SELECT max(number) FROM atoll.events WHERE stream = $1), 0)"
_RETURNING = "RETURNING fence, position, number, id, subject, version, data, headers"
_TWIN = """INSERT INTO atoll.outbox (fence, position, id, subject, version, key, data, headers) OVERRIDING SYSTEM VALUE
SELECT s.fence, s.position, s.id, s.subject, s.version, {key}, s.data, s.headers FROM stored s {given}"""
_ONE = f"""INSERT INTO atoll.events ({_COLUMNS})
SELECT {FENCE}, $1, $2 + 1, $3, $4, $5, $6, $7 WHERE {_AT_END} {{returning}}"""
_APPEND_ONE = _ONE.format(returning="RETURNING fence, position")
_APPEND_ONE_PUBLIC = f"""
WITH stored AS ({_ONE.format(returning=_RETURNING)}), sent AS ({_TWIN.format(key="$8::text", given="")})
SELECT fence, position FROM stored
"""  # noqa: S608 - constants
_MANY = f"""
WITH given AS (
  SELECT * FROM unnest($3::uuid[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[])
  WITH ORDINALITY AS g(id, subject, version, data, headers, key, place)
), stored AS (
  INSERT INTO atoll.events ({_COLUMNS})
  SELECT {FENCE}, $1, $2 + place, id, subject, version, data, headers FROM given WHERE {_AT_END} ORDER BY place
  {{returning}}
)"""  # noqa: S608 - constants
_LAST = "SELECT fence, position FROM stored ORDER BY number DESC LIMIT 1"
_APPEND_MANY = _MANY.format(returning="RETURNING fence, position, number") + _LAST
_APPEND_MANY_PUBLIC = f"""{_MANY.format(returning=_RETURNING)}, sent AS (
  {_TWIN.format(key="g.key", given="JOIN given g USING (id) WHERE g.key IS NOT NULL ORDER BY s.number")}
)
{_LAST}"""
_READ = """
SELECT stream, number, fence, position, id, subject, version, data, headers, recorded_at
FROM atoll.events WHERE stream = $1 AND number > $2 ORDER BY number LIMIT $3
"""


class EventStore:
    """Streams of the events that it is told of; it holds no connection and no state.

    events: what it may append and read. upcasters: for older versions of them.
    """

    def __init__(self, events: Iterable[type[Event]], *, upcasters: Iterable[Upcaster] = ()) -> None:
        self.types = EventTypes(events, upcasters)

    async def append(
        self,
        work: Work,
        stream: str,
        events: Sequence[Event],
        *,
        expected: int,
        headers: Mapping[str, str] | None = None,
    ) -> Position:
        """Appends the events if the stream's last number is ``expected`` (0: there is no such stream yet), else `StreamConflict`.

        headers: kept and published with the events (default: the trace of the request that is being handled). Returns the
        position of the last one. TypeError for an event that the store does not know; ValueError for no events at all.
        """
        for event in events:
            if type(event) not in self.types.types:
                raise TypeError(f"this event store does not know {type(event).__name__}; add it to EventStore([...])")
        return await append(work, stream, events, expected=expected, headers=headers)

    async def read(self, work: Work, stream: str, *, after: int = 0) -> AsyncIterator[Stored[Any]]:
        """The stream's events with a number greater than ``after``, in order, however many; nothing if there is no stream."""
        async for rows in stream_pages(work, stream, after):
            for row in rows:
                yield self.types.stored_of(row)

    async def read_all(self, work: Work, *, after: Position = Position.START) -> AsyncIterator[Stored[Any]]:
        """Events of all streams, in the one order, up to the last that is settled; those of unknown subjects are left out."""
        while True:
            found = await read_settled(work, after, self.types.subjects, PAGE)
            for row in found.rows:
                yield self.types.stored_of(row)
            if not found.full:
                return
            after = found.upto


async def append(
    work: Work, stream: str, events: Sequence[Event], *, expected: int, headers: Mapping[str, str] | None = None
) -> Position:
    """See `EventStore.append`; takes any events."""
    _check(stream, events, expected)
    public = work._database.publishes or frozenset()
    rows = [outgoing(event, headers, None) for event in events]
    keys = [row[3] if type(event) in public else None for row, event in zip(rows, events, strict=True)]
    try:
        last = await _insert(work, stream, expected, rows, keys)
    except UniqueViolation as error:
        if error.constraint_name != "events_pkey":
            raise
        raise StreamConflict(stream, expected) from None
    if last is None:
        raise StreamConflict(stream, expected)
    published = any(key is not None for key in keys)
    work.on_commit(lambda: work._database.events_appended(published=published))
    return Position(last["fence"], last["position"])


def append_on_commit(work: Work, stream: str, events: Sequence[Event], *, expected: int) -> None:
    """The same when the work commits, together with all else that waits for it; a conflict shows up then."""
    _check(stream, events, expected)
    public = work._database.publishes or frozenset()
    told = [type(event) in public for event in events]
    work.append_on_commit(stream, expected, [outgoing(event, None, None) for event in events], told)
    work.on_commit(lambda: work._database.events_appended(published=False))


async def stream_pages(work: Work, stream: str, after: int) -> AsyncIterator[list[Row]]:
    """The rows of a stream, a page at a time."""
    while True:
        rows = await work.fetch(_READ, stream, after, PAGE)
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        after = rows[-1]["number"]


async def _insert(
    work: Work, stream: str, expected: int, rows: Sequence[OutgoingEvent], keys: Sequence[str | None]
) -> Row | None:
    if len(rows) > 1:
        ids, subjects, versions, _, data, headers = zip(*rows, strict=True)
        statement = _APPEND_MANY_PUBLIC if any(key is not None for key in keys) else _APPEND_MANY
        return await work.fetchrow(statement, stream, expected, ids, subjects, versions, data, headers, keys)
    id_, subject, version, _, body, carried = rows[0]
    values = stream, expected, id_, subject, version, body, carried
    if keys[0] is None:
        return await work.fetchrow(_APPEND_ONE, *values)
    return await work.fetchrow(_APPEND_ONE_PUBLIC, *values, keys[0])


def _check(stream: str, events: Sequence[Event], expected: int) -> None:
    if not stream or "\0" in stream or len(stream.encode()) > MAX_STREAM:
        raise ValueError(f"a stream's name has 1 to {MAX_STREAM} bytes and no NUL character, not {stream[:40]!r}")
    if not events:
        raise ValueError(f"nothing to append to {stream}; give at least one event")
    if expected < 0:
        raise ValueError(f"expected is {expected}; a stream begins at 0")
