"""What a unit of work writes only when it commits: events of streams and the outbox, all of it in one statement."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atoll.contracts import Conflict
from atoll.data.outbox import FENCE, OutgoingEvent
from atoll.data.postgres import UniqueViolation

# stream, number, id, subject, version, key, data, headers. No stream: the outbox alone. No key: the stream alone.
DeferredRow = tuple[str | None, int | None, object, str, int, str | None, str, str | None]

WRITE = f"""
WITH given AS (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[])
  WITH ORDINALITY AS g(stream, number, id, subject, version, key, data, headers, place)
), stored AS (
  INSERT INTO atoll.events (fence, stream, number, id, subject, version, data, headers)
  SELECT {FENCE}, stream, number, id, subject, version, data, headers FROM given WHERE stream IS NOT NULL ORDER BY place
  RETURNING fence, position, id
)
INSERT INTO atoll.outbox (fence, position, id, subject, version, key, data, headers) OVERRIDING SYSTEM VALUE
SELECT coalesce(s.fence, {FENCE}), coalesce(s.position, nextval('atoll.outbox_position_seq')),
       g.id, g.subject, g.version, g.key, g.data, g.headers
FROM given g LEFT JOIN stored s USING (id) WHERE g.key IS NOT NULL ORDER BY g.place
"""  # noqa: S608 - constants
_TAKEN = re.compile(r"Key \(stream, number\)=\((.*), (\d+)\) already exists")


class StreamConflict(Conflict, code="stream-conflict"):
    """Somebody else appended to the stream first. Begin a new unit of work, load again, decide again."""

    def __init__(self, stream: str, expected: int) -> None:
        super().__init__(
            f"{stream} is no longer at version {expected}: another change came in between; try again",
            headers={"retry-after": "0"},
        )
        self.stream = stream
        self.expected = expected


def of_outbox(event: OutgoingEvent) -> DeferredRow:
    """An event that goes into the outbox alone."""
    id_, subject, version, key, data, headers = event
    return None, None, id_, subject, version, key, data, headers


def of_stream(stream: str, number: int, event: OutgoingEvent, *, public: bool) -> DeferredRow:
    """An event that becomes the stream's one of this number; public: it goes into the outbox too, at the same place."""
    id_, subject, version, key, data, headers = event
    return stream, number, id_, subject, version, key if public else None, data, headers


def columns(rows: Sequence[DeferredRow]) -> list[tuple[object, ...]]:
    """The arguments of `WRITE`."""
    return list(zip(*rows, strict=True))


def conflict_of(error: UniqueViolation) -> StreamConflict | None:
    """The conflict, if the error says that a number of a stream was taken already."""
    if error.constraint_name != "events_pkey":
        return None
    found = _TAKEN.search(error.detail or "")
    return StreamConflict(found.group(1), int(found.group(2)) - 1) if found else StreamConflict("a stream", 0)
