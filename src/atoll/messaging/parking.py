# ruff: noqa: S608 - the statements are made of constants
"""Parked messages: those that failed and are tried again later, and those of the same key that wait behind them.

The first of a key has a time when it is due; the others have none and become first, one after the other. ``delays`` counts the
delays that a message was given so far.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from atoll.data import Connection, Row, Work
from atoll.messaging.inbox import remember
from atoll.messaging.incoming import Failure, Message

_COLUMNS = "consumer, partition, key, message_id, subject, body, attempts, error, stack"
_PARK = f"""
INSERT INTO atoll.parked ({_COLUMNS}, delays, due)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9,
       CASE WHEN first THEN 1 ELSE 0 END, CASE WHEN first THEN now() + $10::interval END
FROM (SELECT NOT EXISTS (SELECT FROM atoll.parked WHERE consumer = $1 AND key = $3) AS first) AS place
ON CONFLICT (consumer, message_id) DO NOTHING
"""
# The lock on the first one makes sure that it is not finished meanwhile, which would leave this one behind nobody.
_HEAD = "SELECT seq FROM atoll.parked WHERE consumer = $1 AND key = $2 AND due IS NOT NULL FOR UPDATE"
_DUE = """
SELECT seq, partition, key FROM atoll.parked
WHERE consumer = $1 AND partition = ANY($2) AND due <= now() AND subject <> ALL($4) ORDER BY due, seq LIMIT $3
"""
_TAKE = "SELECT * FROM atoll.parked WHERE seq = $1 AND due IS NOT NULL FOR UPDATE"
_REMOVE = "DELETE FROM atoll.parked WHERE seq = $1"
_PROMOTE = """
UPDATE atoll.parked SET due = now() WHERE due IS NULL AND seq = (
  SELECT min(seq) FROM atoll.parked WHERE consumer = $1 AND key = $2) RETURNING seq
"""
_POSTPONE = """
UPDATE atoll.parked SET attempts = $2, error = $3, stack = $4, delays = delays + 1, due = now() + $5::interval
WHERE seq = $1
"""
_DIE = f"""
INSERT INTO atoll.dead_letters ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (consumer, message_id) DO UPDATE SET
  attempts = excluded.attempts, error = excluded.error, stack = excluded.stack, died_at = now()
"""
_ORPHANS = """
UPDATE atoll.parked SET due = now() WHERE seq IN (
  SELECT min(seq) FROM atoll.parked WHERE consumer = $1 AND partition = ANY($2) GROUP BY key HAVING bool_and(due IS NULL))
"""


async def park(work: Work, consumer: str, message: Message, failure: Failure, delay: float) -> None:
    """Parks the message; it is due after the delay (seconds), or waits behind others of its key."""
    await work.fetchval(_HEAD, consumer, message.key)
    await work.execute(_PARK, *_values(consumer, message, failure), timedelta(seconds=delay))


async def bury(work: Work, consumer: str, message: Message, failure: Failure) -> None:
    """Makes it a dead letter; it counts as handled, should it be delivered again."""
    await work.execute(_DIE, *_values(consumer, message, failure))
    await remember(work, consumer, message.id)


async def due(
    connection: Connection, consumer: str, partitions: Collection[int], limit: int, paused: Collection[str] = ()
) -> list[tuple[int, int, str]]:
    """(seq, partition, key) of those that are due in these partitions, without those of paused subjects."""
    rows = await connection.fetch(_DUE, consumer, list(partitions), limit, list(paused))
    return [(row["seq"], row["partition"], row["key"]) for row in rows]


async def take(work: Work, seq: int) -> Row | None:
    """The parked message, locked until the work ends; None if someone else has dealt with it."""
    return await work.fetchrow(_TAKE, seq)


async def finish(work: Work, consumer: str, row: Row) -> int | None:
    """Removes it and makes the next one of its key due; that one's seq."""
    await work.execute(_REMOVE, row["seq"])
    following: int | None = await work.fetchval(_PROMOTE, consumer, row["key"])
    return following


async def postpone(work: Work, row: Row, failure: Failure, delays: Sequence[float]) -> bool:
    """Makes it due after its next delay; False if it has had them all."""
    if row["delays"] >= len(delays):
        return False
    delay = timedelta(seconds=delays[row["delays"]])
    await work.execute(_POSTPONE, row["seq"], failure.attempts, failure.error, failure.stack, delay)
    return True


async def adopt_orphans(connection: Connection, consumer: str, partitions: Collection[int]) -> None:
    """Makes the first of a key due if none of it is; a safety net for what two holders of a partition may do."""
    await connection.execute(_ORPHANS, consumer, list(partitions))


def _values(consumer: str, message: Message, failure: Failure) -> tuple[str | int | bytes | datetime, ...]:
    return (
        consumer, message.partition, message.key, message.id, message.subject, message.body,
        failure.attempts, failure.error, failure.stack,
    )  # fmt: skip
