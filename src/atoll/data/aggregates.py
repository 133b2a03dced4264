"""`load` and `save`: aggregates and the event store."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from atoll.contracts import NotFound
from atoll.data.aggregate import Aggregate
from atoll.data.event_order import Position
from atoll.data.event_store import PAGE, append, append_on_commit, stream_pages
from atoll.data.postgres import Row
from atoll.data.snapshot import restore, shape_of, write_if_due
from atoll.data.work import Work

A = TypeVar("A", bound=Aggregate[Any])

# The inner ORDER BY keeps PostgreSQL from joining the two as it likes: a plan that it made while there were few events would read
# all of them, and stay until autovacuum has looked at the table.
_ALL = """
SELECT event.* FROM unnest($1::text[]) AS wanted (stream) CROSS JOIN LATERAL (
  SELECT stream, number, subject, version, data FROM atoll.events WHERE stream = wanted.stream ORDER BY number
) AS event ORDER BY stream, number
"""

# The snapshot, if there is one of this shape, and the events from its last one on: that proves that the stream goes so far.
_FROM_SNAPSHOT = """
WITH snapshot AS (SELECT number, state FROM atoll.snapshots WHERE stream = $1 AND shape = $2), event AS (
  SELECT number, subject, version, data FROM atoll.events
  WHERE stream = $1 AND number >= coalesce((SELECT number FROM snapshot), 0) ORDER BY number LIMIT $3
)
SELECT $1::text AS stream, true AS is_snapshot, number, '' AS subject, 0 AS version, state AS data FROM snapshot
UNION ALL SELECT $1, false, number, subject, version, data FROM event
ORDER BY is_snapshot DESC, number
"""


async def load(work: Work, kind: type[A], identity: Any) -> A:
    """The aggregate as all of its events made it: NotFound if it has none, `UnreadableEvent` if one of them cannot be read."""
    stream = kind.stream_of(identity)
    aggregate = kind(identity)
    if kind.snapshot_every_:
        aggregate = await _from_snapshot(work, aggregate, stream)
    else:
        await _catch_up(work, aggregate, stream)
    if aggregate.version == 0:
        raise NotFound(f"there is no {kind.stream_} {identity}")
    return aggregate


async def save(work: Work, aggregate: Aggregate[Any]) -> Position | None:
    """Appends what the aggregate has recorded; `StreamConflict` if somebody else appended since it was loaded.

    Returns the position of the last event, which `Projection.wait_for` takes; None if nothing was recorded. When the unit of
    work fails later, the aggregate is ahead of its stream: throw it away and load it again.
    """
    events = aggregate.recorded
    if not events:
        return None
    position = await append(work, aggregate.stream_of(aggregate.id), events, expected=aggregate.version)
    aggregate.saved(aggregate.version + len(events))
    await write_if_due(work, aggregate)
    return position


async def save_on_commit(work: Work, aggregate: Aggregate[Any]) -> None:
    """As `save`, but nothing is sent before the unit of work commits: its last statement, or part of one that many units share.

    The fastest way to save: a unit that reads nothing costs no transaction of its own. `StreamConflict` comes from the commit.
    """
    events = aggregate.recorded
    if not events:
        return
    append_on_commit(work, aggregate.stream_of(aggregate.id), events, expected=aggregate.version)
    aggregate.saved(aggregate.version + len(events))
    await write_if_due(work, aggregate)


async def load_all(work: Work, kind: type[A], identities: Iterable[Any]) -> dict[Any, A]:
    """Many aggregates, in one statement; those without any events are missing. `UnreadableEvent` as with `load`.

    For handlers of lists. Snapshots are not used: where they are worth it, `load` each.
    """
    wanted = {kind.stream_of(identity): identity for identity in identities}
    found: dict[Any, A] = {}
    for stream, rows in groupby(await work.fetch(_ALL, list(wanted)), key=itemgetter("stream")):
        identity = wanted[stream]
        found[identity] = kind(identity)
        found[identity].replay(rows)
    return found


async def _from_snapshot(work: Work, aggregate: A, stream: str) -> A:
    kind = type(aggregate)
    rows = await work.fetch(_FROM_SNAPSHOT, stream, shape_of(kind).fingerprint, PAGE)
    full = len(rows) >= PAGE
    if rows and rows[0]["is_snapshot"]:
        tail = _after_snapshot(aggregate, rows)
        if tail is None:  # broken: all from the start, on a clean object
            aggregate = kind(aggregate.id)
            await _catch_up(work, aggregate, stream)
            return aggregate
        rows = tail
    aggregate.replay(rows)
    if full:
        await _catch_up(work, aggregate, stream)
    return aggregate


def _after_snapshot(aggregate: Aggregate[Any], rows: list[Row]) -> list[Row] | None:
    snapshot, *events = rows
    if not events or events[0]["number"] != snapshot["number"]:
        return None  # it is ahead of its stream
    return events[1:] if restore(aggregate, snapshot["data"], snapshot["number"]) else None


async def _catch_up(work: Work, aggregate: Aggregate[Any], stream: str) -> None:
    async for rows in stream_pages(work, stream, aggregate.version):
        aggregate.replay(rows)
