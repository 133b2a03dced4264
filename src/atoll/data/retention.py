"""How long the framework's rows are kept, and their removal in batches."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from atoll.contracts import Error
from atoll.data.postgres import DRIVER_ERRORS, one_line
from atoll.service.lifecycle import end

if TYPE_CHECKING:
    from atoll.data.database import Database

log = logging.getLogger("atoll.data")

OUTBOX_DAYS = 3  # so that a broker that lost data can be filled again
INBOX_DAYS = 8  # longer than a broker keeps messages (7 days), for whatever it delivers again must be known
IDEMPOTENCY_HOURS = 24
SETTLED_DAYS = 30  # what became of a dead letter
BATCH = 5_000  # rows deleted by one statement
EVERY = 600.0  # seconds between two rounds
_EXPECTED: tuple[type[Exception], ...] = (*DRIVER_ERRORS, Error)
# ruff: noqa: S608 - the statements are made of constants
_ROUNDS = (
    (
        "DELETE FROM atoll.outbox WHERE ctid = ANY(ARRAY(SELECT o.ctid FROM atoll.outbox o, atoll.relay r "
        f"WHERE (o.fence, o.position) <= (r.fence, r.position) AND o.written_at < now() - interval '{OUTBOX_DAYS} days' "
        f"ORDER BY o.fence, o.position LIMIT {BATCH}))"
    ),
    (
        "DELETE FROM atoll.inbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM atoll.inbox "
        f"WHERE handled_at < now() - interval '{INBOX_DAYS} days' LIMIT {BATCH}))"
    ),
    (
        "DELETE FROM atoll.idempotency WHERE ctid = ANY(ARRAY(SELECT ctid FROM atoll.idempotency "
        f"WHERE stored_at < now() - interval '{IDEMPOTENCY_HOURS} hours' LIMIT {BATCH}))"
    ),
    (
        "DELETE FROM atoll.settled_letters WHERE ctid = ANY(ARRAY(SELECT ctid FROM atoll.settled_letters "
        f"WHERE settled_at < now() - interval '{SETTLED_DAYS} days' LIMIT {BATCH}))"
    ),
)


class Retention:
    """Removes what is past its time, in the background. Any number of instances may do it at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins; the first round comes after a while."""
        self._task = asyncio.create_task(self._run(), name="database: retention")

    async def stop(self) -> None:
        """Stops."""
        await end(self._task)
        self._task = None

    async def remove(self) -> int:
        """One round; how many rows went."""
        total = 0
        async with self._database.connection() as connection:
            for statement in _ROUNDS:
                removed = BATCH
                while removed == BATCH:
                    removed = int((await connection.execute(statement)).rpartition(" ")[2])
                    total += removed
        return total

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY * random.uniform(0.5, 1.0))
            try:
                removed = await self.remove()
            except _EXPECTED as error:
                log.warning("old rows were not removed, the next round tries again: %s", one_line(error))
            else:
                log.debug("removed %d old rows", removed)
