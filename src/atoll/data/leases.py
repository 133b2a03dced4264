"""Leases: which of several instances does what. A lease is a PostgreSQL session advisory lock, so it ends with its holder."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from atoll.data.backoff import Backoff
from atoll.data.postgres import DRIVER_ERRORS, Connection, one_line, try_for

if TYPE_CHECKING:
    from atoll.data.database import Database

log = logging.getLogger("atoll.data")

WAIT = 15.0  # seconds that one statement waits for a lock: a waiting one holds back VACUUM, so it is renewed


class Leases:
    """Locks on connections of their own. The holder works on the very connection that holds its lease.

    So who has lost the lease has lost the connection too, and cannot write any more.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def exclusive(self, name: str, *, answer: float | None = None) -> AsyncIterator[Connection]:
        """Waits until nobody else holds ``name``, for ever; then its connection. A holder's death hands over at once.

        answer: seconds that each statement on it may take; None for no limit, where statements of others run on it.
        """
        connection = await self._wait(name, answer)
        try:
            yield connection
        finally:
            await close(connection)

    async def _wait(self, name: str, answer: float | None) -> Connection:
        backoff = Backoff(first=0.05, most=2.0)
        while True:
            try:
                connection = await self._database.dedicated(answer)
            except DRIVER_ERRORS as error:
                log.debug("no connection for the lease %s yet: %s", name, one_line(error))
                await backoff.wait()
                continue
            try:
                while not await try_for(connection, WAIT, "SELECT pg_advisory_lock($1)", lock_number(name)):
                    pass
            except DRIVER_ERRORS as error:
                connection.terminate()
                log.debug("the lease %s was not to be had: %s", name, one_line(error))
                await backoff.wait()
                continue
            except BaseException:
                connection.terminate()
                raise
            return connection


def lock_number(name: str, *, bits: int = 63) -> int:
    """The advisory lock of a name. Locks are counted by database, so two services never meet."""
    digest = hashlib.blake2b(f"atoll:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - bits)


async def close(connection: Connection) -> None:
    """Closes a dedicated connection, which ends its leases; cut off if it takes long."""
    try:
        async with asyncio.timeout(1.0):
            await connection.close()
    except DRIVER_ERRORS:  # TimeoutError is an OSError, and so among them
        connection.terminate()
    except BaseException:
        connection.terminate()
        raise
