"""Dead letters: messages that exhausted their attempts, and what a person does with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from atoll.contracts import Error
from atoll.data import Database, Row
from atoll.messaging.envelope import Envelope, decode_envelope

_LIST = "SELECT * FROM atoll.dead_letters WHERE id > $1 ORDER BY id LIMIT $2"
_LOCKED = "SELECT * FROM atoll.dead_letters WHERE id = ANY($1) ORDER BY id FOR UPDATE"
_FORGET = "DELETE FROM atoll.inbox WHERE consumer = $1 AND message_id = $2"
_PARK = """
INSERT INTO atoll.parked (consumer, partition, key, message_id, subject, body, attempts, error, stack, delays, due)
SELECT $1, $2, $3, $4, $5, $6, 0, $7, $8, 0,
       CASE WHEN NOT EXISTS (SELECT FROM atoll.parked WHERE consumer = $1 AND key = $3) THEN now() END
ON CONFLICT (consumer, message_id) DO NOTHING
"""
_DROP = "DELETE FROM atoll.dead_letters WHERE id = ANY($1)"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be handled, and why. body: the CloudEvent as it came. stack: of the last attempt."""

    id: int
    consumer: str
    message_id: str
    subject: str
    key: str
    body: bytes
    error: str
    stack: str
    attempts: int
    died_at: datetime

    @property
    def headers(self) -> dict[str, str]:
        """What travelled with it; empty if it could not even be decoded."""
        try:
            envelope: Envelope = decode_envelope(self.body)
        except (Error, msgspec.MsgspecError):
            return {}
        return envelope.headers()


class DeadLetters:
    """The dead letters of a service's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, *, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """The oldest first, from the one behind the id ``after``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST, after, limit)
        return [_letter(row) for row in rows]

    async def redrive(self, *ids: int) -> int:
        """Gives them to their handlers again, with all their attempts; how many. It takes a second or so.

        They go through the service's own database, not through the broker, so no dedupe window drops them.
        """
        async with self._database.work() as work:
            rows = await work.fetch(_LOCKED, ids)
            for row in rows:
                await work.execute(_FORGET, row["consumer"], row["message_id"])
                await work.execute(
                    _PARK,
                    row["consumer"], row["partition"], row["key"], row["message_id"], row["subject"], row["body"],
                    row["error"], row["stack"],
                )  # fmt: skip
            await work.execute(_DROP, [row["id"] for row in rows])
        return len(rows)

    async def drop(self, *ids: int) -> int:
        """Deletes them for good; how many."""
        async with self._database.work() as work:
            status = await work.execute(_DROP, ids)
        return int(status.rpartition(" ")[2])


def _letter(row: Row) -> DeadLetter:
    return DeadLetter(
        id=row["id"],
        consumer=row["consumer"],
        message_id=row["message_id"],
        subject=row["subject"],
        key=row["key"],
        body=row["body"],
        error=row["error"],
        stack=row["stack"],
        attempts=row["attempts"],
        died_at=row["died_at"],
    )
