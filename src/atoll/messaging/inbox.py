"""The inbox: which messages were handled. Its row is written first in the handler's own transaction, and commits with it."""

from __future__ import annotations

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


async def remember(work: Work, consumer: str, message_id: str) -> bool:
    """Remembers the message; False if it was handled already."""
    return await work.execute(_REMEMBER, consumer, message_id) == "INSERT 0 1"
