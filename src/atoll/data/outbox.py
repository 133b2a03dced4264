"""The outbox: events that committed with a unit of work and wait to be published.

Rows are read in the order ``(fence, position)``. ``position`` is a sequence; alone it would lose rows, because a transaction
that commits late shows up behind a cursor that has passed it. ``fence`` is an xid8: at least the writer's own transaction id,
so that no writer that is still running can come to stand before a row with ``fence < pg_snapshot_xmin``; and at least the
newest id that had ended when the row was written (``pg_snapshot_xmax - 1``), so that a writer who waited for another one's
row lock stands behind it, although its transaction began earlier. Cursor and order per key both rest on it.

It must not be ``pg_snapshot_xmax`` itself: that id may belong to a writer that runs, whose row then has the same fence and
may have a lower position, and a snapshot does not show whether it does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import getrandbits
from time import time_ns
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from atoll.contracts import Event, event_key, uuid7
from atoll.contracts.codec import encode
from atoll.data.postgres import Connection, Row
from atoll.service import current_request
from atoll.service.baggage import HEADER as BAGGAGE
from atoll.service.baggage import baggage_header
from atoll.service.tracing import PRODUCER, SpanPlan, Value, current_span, kept_plan, trace_headers, traceparent

if TYPE_CHECKING:
    from atoll.data.database import Database

MAX_PAYLOAD = 512 * 1024  # bytes of JSON, headers too; brokers take 1 MiB by default, and the envelope comes on top
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")  # W3C Trace Context, section 3.3.1.5: 512 characters must be carried
OutgoingEvent = tuple[UUID, str, int, str, str, str | None]  # id, subject, version, key, data, headers

FENCE = "greatest(pg_current_xact_id(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8)"
_COLUMNS = "fence, id, subject, version, key, data, headers"
# The bound is worked out once a statement: asking each row by itself costs more than reading it.
_READ = """
SELECT fence, position, id, subject, version, key, data, headers, written_at, delivery,
       fence < (SELECT pg_snapshot_xmin(pg_current_snapshot())) AS settled
FROM atoll.outbox WHERE (fence, position) > ($1::xid8, $2::bigint) ORDER BY fence, position LIMIT $3
"""
_STATUS = """
SELECT count(o.*) AS pending, coalesce(extract(epoch FROM clock_timestamp() - min(o.written_at)), 0)::float8 AS lag,
       coalesce(bool_and(o.fence >= (SELECT pg_snapshot_xmin(pg_current_snapshot()))), false) AS held,
       (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8 FROM pg_stat_activity
        WHERE backend_xid IS NOT NULL) AS oldest,
       r.published_at
FROM atoll.relay r LEFT JOIN atoll.outbox o ON (o.fence, o.position) > (r.fence, r.position) GROUP BY r.published_at
"""
_MOVE = "UPDATE atoll.relay SET fence = $1, position = $2, published_at = now()"
_REDRIVE = f"""
WITH again AS (
  SELECT * FROM atoll.outbox WHERE written_at >= $1 AND written_at < $2 AND delivery = 0
    AND ($3 = '' OR subject = $3) ORDER BY fence, position
)
INSERT INTO atoll.outbox ({_COLUMNS}, delivery)
SELECT {FENCE}, id, subject, version, key, data, headers, (SELECT max(delivery) FROM atoll.outbox) + 1 FROM again
"""  # noqa: S608 - constants


def outgoing(
    event: Event, headers: Mapping[str, str] | None, declared: Collection[type[Event]] | None
) -> OutgoingEvent:
    """The event as its row; its id is made here, once, and stays with it whatever happens."""
    kind = type(event)
    if declared is not None and kind not in declared:
        raise TypeError(f"{kind.__name__} is not declared; add it to publishes=[...] of the service")
    if not kind.subject_:
        raise TypeError(f"{kind.__name__} has no subject; write class {kind.__name__}(Event, subject='...')")
    data = encode(event)
    carried = _created(kind) if headers is None else dict(headers)
    text = msgspec.json.encode(carried).decode() if carried else None
    if (size := len(data) + len(text or "")) > MAX_PAYLOAD:
        raise ValueError(
            f"{kind.__name__} is {size} bytes of JSON; an event may have {MAX_PAYLOAD}: publish a reference to what is large"
        )
    return uuid7(), kind.subject_, kind.version_, event_key(event), data.decode(), text


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """pending: events not published yet. lag: seconds that the oldest of them has waited.

    held: seconds that the transaction is old for which all of them wait; 0 if they wait for none, or for one of another
    role, whose age PostgreSQL does not show. published_at: when the relay last marked events as published.
    """

    pending: int
    lag: float
    held: float = 0.0
    published_at: datetime | None = None


class Cursor(msgspec.Struct, frozen=True):
    """How far the relay has published: up to and with this row."""

    fence: int
    position: int


class Outbox:
    """The outbox seen from outside of units of work: how much waits, and publishing again what a broker has lost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def status(self) -> OutboxStatus:
        """How much waits, and for how long."""
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(_STATUS)
        held = row["oldest"] if row["held"] else 0.0
        return OutboxStatus(row["pending"], row["lag"], held, row["published_at"])

    async def redrive(self, since: datetime, until: datetime, *, subject: str = "") -> int:
        """Publishes again what was written in that time, under new delivery ids, so that a broker does not drop it as known.

        subject: only events of it. The events keep their own ids: consumers that have handled them know them. How many they are.
        """
        async with self._database.work() as work:
            status = await work.execute(_REDRIVE, since, until, subject)
        self._database.outbox_grew()
        return int(status.rpartition(" ")[2])


async def read_cursor(connection: Connection) -> Cursor:
    """Where the relay stands; mends a database that was restored into another cluster.

    Transaction ids start anew there, so that old fences lie in the future of new ones and would hide every new row.
    """
    async with connection.transaction():
        row = await connection.fetchrow("SELECT fence, position FROM atoll.relay FOR UPDATE")
        if row is None:
            raise LookupError("atoll.relay is empty; run the migrations")
        newest = await connection.fetchval("SELECT max(fence) FROM atoll.outbox")
        ahead = await connection.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())")
        if max(newest or 0, row["fence"]) <= ahead:
            return Cursor(row["fence"], row["position"])
        published = "DELETE FROM atoll.outbox WHERE fence > $1 AND (fence, position) <= ($2, $3)"
        await connection.execute(published, ahead, row["fence"], row["position"])
        await connection.execute("UPDATE atoll.outbox SET fence = '0'")
        await connection.execute("UPDATE atoll.relay SET fence = '0', position = 0")
        return Cursor(0, 0)


async def read_after(connection: Connection, cursor: Cursor, limit: int) -> list[Row]:
    """The next rows; those that are ``settled`` come first, and only they may be published."""
    return await connection.fetch(_READ, cursor.fence, cursor.position, limit)


async def move_cursor(connection: Connection, cursor: Cursor) -> None:
    """Remembers what is published."""
    await connection.execute(_MOVE, cursor.fence, cursor.position)


def _created(kind: type[Event]) -> dict[str, str]:
    """The trace context that travels with the event: that of its creation, a span which everything after it descends from."""
    carried = trace_of_request()
    span = current_span.get()
    if span is not None and span.trace.recording:
        plan = kept_plan(f"create {kind.subject_}", lambda: _creation_plan(kind.subject_))
        own = getrandbits(64) or 1
        span.leaf(plan, time_ns(), None, None, own)
        carried["traceparent"] = traceparent(span.trace, own)
    return carried


def _creation_plan(subject: str) -> SpanPlan:
    told: dict[str, Value] = {"messaging.operation.type": "create", "messaging.operation.name": "create"}
    return SpanPlan(f"create {subject}", PRODUCER, {**told, "messaging.destination.name": subject})


def trace_of_request() -> dict[str, str]:
    """The W3C trace context and baggage of what is done now, to be stored; nothing if it is none (any client may send it)."""
    found = _trace_context()
    if carried := baggage_header():
        found[BAGGAGE] = carried
    return found


def _trace_context() -> dict[str, str]:
    if current_span.get() is not None:
        return trace_headers(None)
    request = current_request.get()
    parent = "" if request is None else request.headers.get("traceparent", "")
    if request is None or not _TRACEPARENT.fullmatch(parent):
        return {}
    state = request.headers.get("tracestate", "")
    return {"traceparent": parent} | ({"tracestate": state} if _TRACESTATE.fullmatch(state) else {})
