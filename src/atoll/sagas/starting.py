"""How sagas begin and how events come to them: rows that commit with the transaction that writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zlib import crc32

import msgspec

from atoll.contracts import Event, uuid7
from atoll.contracts.codec import encode
from atoll.data import Work
from atoll.data.outbox import trace_of_request
from atoll.sagas.definition import Definition

PARTITIONS = 16  # instances of a service that can run sagas at once
MAX_KEY = 500  # characters
_START = """
INSERT INTO atoll.sagas (id, name, key, partition, message, headers) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name, key) DO NOTHING
"""
_FIND = "SELECT id FROM atoll.sagas WHERE name = $1 AND key = $2"
_DELIVER = """
UPDATE atoll.sagas SET arrivals = arrivals + 1,
  due = CASE WHEN status = 'active' AND NOT backward THEN clock_timestamp() ELSE due END
WHERE name = $1 AND key = $2
RETURNING id, partition, backward OR status IN ('completed', 'compensated') AS late
"""
_KEEP = "INSERT INTO atoll.saga_events (saga, subject, data, state) VALUES ($1, $2, $3, $4)"


@dataclass(frozen=True, slots=True)
class Started:
    """id: of the saga of that key. new: False if there was one already, whose message then counts."""

    id: UUID
    partition: int
    new: bool


async def start(work: Work, definition: Definition, message: Any) -> Started:
    """Starts a saga when this work commits, unless its key has one. ValueError for a key that is none."""
    key = definition.key_of(message)
    if not key or len(key) > MAX_KEY or "\x00" in key:
        raise ValueError(f"{definition.name}: a business key has 1 to {MAX_KEY} characters, this one {len(key)}")
    saga_id = uuid7()
    partition = partition_of(saga_id)
    status = await work.execute(_START, saga_id, definition.name, key, partition, encode(message).decode(), _trace())
    if status == "INSERT 0 1":
        return Started(saga_id, partition, new=True)
    there: UUID = await work.fetchval(_FIND, definition.name, key)
    return Started(there, partition_of(there), new=False)


async def deliver(work: Work, definition: Definition, event: Event) -> int | None:
    """Hands the event to the saga of its key when this work commits; the saga's partition, None if there is no saga.

    One that comes when the saga is compensated or over is kept as late, and changes nothing.
    """
    key = str(getattr(event, definition.awaits[type(event)]))
    row = await work.fetchrow(_DELIVER, definition.name, key)
    if row is None:
        return None
    state = "late" if row["late"] else "waiting"
    await work.execute(_KEEP, row["id"], event.subject_, encode(event).decode(), state)
    partition: int = row["partition"]
    return partition


def partition_of(saga_id: UUID) -> int:
    """Which partition runs the saga."""
    return crc32(saga_id.bytes) % PARTITIONS


def _trace() -> str | None:
    headers = trace_of_request()
    return msgspec.json.encode(headers).decode() if headers else None
