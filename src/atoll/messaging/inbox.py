"""The inbox: which messages were handled. Its row is written first in the handler's own transaction, and commits with it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from atoll.data import Work

_ADMIT = """
WITH head AS (SELECT seq FROM atoll.parked WHERE consumer = $1 AND key = $3 LIMIT 1),
fresh AS (
  INSERT INTO atoll.inbox (consumer, message_id) SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM head)
  ON CONFLICT DO NOTHING RETURNING 1
)
SELECT EXISTS (SELECT FROM fresh) AS fresh, EXISTS (SELECT FROM head) AS parked
"""
_ADMIT_ALL = """
WITH given AS (SELECT * FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS given (message_id, key, place)),
heads AS (SELECT DISTINCT key FROM atoll.parked WHERE consumer = $1 AND key = ANY($3)),
fresh AS (
  INSERT INTO atoll.inbox (consumer, message_id)
  SELECT DISTINCT $1, message_id FROM given WHERE key NOT IN (SELECT key FROM heads) ORDER BY message_id
  ON CONFLICT DO NOTHING RETURNING message_id
)
SELECT message_id IN (SELECT message_id FROM fresh) AS fresh, key IN (SELECT key FROM heads) AS parked
FROM given ORDER BY place
"""
_REMEMBER = "INSERT INTO atoll.inbox (consumer, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"


class Admission(Enum):
    """What to do with a message: handle it, skip it for it was handled, or park it behind another of its key."""

    FRESH = "fresh"
    HANDLED = "handled"
    BEHIND = "behind"


async def admit(work: Work, consumer: str, message_id: str, key: str) -> Admission:
    """Decides, and remembers the message if it is to be handled now.

    A twin in another transaction makes this wait until that one has ended: committed, this is a duplicate; rolled back, this
    goes ahead.
    """
    row = await work.fetchrow(_ADMIT, consumer, message_id, key)
    if row is not None and row["fresh"]:
        return Admission.FRESH
    return Admission.BEHIND if row is not None and row["parked"] else Admission.HANDLED


async def admit_all(work: Work, consumer: str, messages: Sequence[tuple[str, str]]) -> list[Admission]:
    """The same for many, in one statement. messages: (id, key), in their order; of two with one id the first counts."""
    rows = await work.fetch(_ADMIT_ALL, consumer, [one for one, _ in messages], [key for _, key in messages])
    seen: set[str] = set()
    found = []
    for row, (message_id, _) in zip(rows, messages, strict=True):
        fresh = row["fresh"] and message_id not in seen
        seen.add(message_id)
        found.append(Admission.FRESH if fresh else Admission.BEHIND if row["parked"] else Admission.HANDLED)
    return found


async def remember(work: Work, consumer: str, message_id: str) -> bool:
    """Remembers the message; False if it was handled already."""
    return await work.execute(_REMEMBER, consumer, message_id) == "INSERT 0 1"
