"""Rebuilding a read model: all events again, into new tables, which then take the place of the old ones at once.

The new tables stand in a schema of their own, which comes first on the search path of the connection that builds: handlers write
to them without knowing. The old tables are kept up to date and read all the while; the exchange waits for nothing but the
statements that read them at that moment.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from atoll.crash import crash_point
from atoll.data.backoff import Backoff
from atoll.data.checkpoints import Checkpoint
from atoll.data.database import Database
from atoll.data.event_order import Position
from atoll.data.leases import Leases
from atoll.data.postgres import DRIVER_ERRORS, Connection
from atoll.data.projecting import Projecting
from atoll.data.twins import Twin, find_twin, make_twin, quoted

log = logging.getLogger("atoll.data")

BATCH = 5_000  # events in one transaction
EXCHANGE_WAIT = (
    1_000  # milliseconds that the exchange waits for readers, for others queue behind it; then it tries again
)
_IN_USE = ("55P03", "40P01")  # lock_not_available, deadlock_detected


class RebuildError(Exception):
    """One line: which table cannot be rebuilt, why, what to do."""


class Rebuild:
    """One rebuild of one projection. tables: the read model's, without schemas."""

    def __init__(self, database: Database, name: str, projecting: Projecting, tables: Sequence[str]) -> None:
        self._database = database
        self._name = name
        self._projecting = projecting
        self._tables = tables
        self._schema = f"atoll_building_{name}"
        self._twins: list[Twin] = []
        self._live = Checkpoint(name)
        self._building = Checkpoint(name, building=True)

    async def run(self) -> Position:
        """Builds and exchanges; where the new read model stands. One at a time for a projection: others wait their turn.

        RebuildError for tables that cannot be rebuilt; whatever a handler raises. The old tables stay as they are then.
        """
        if not self._tables:
            raise RebuildError(f"{self._name} names no tables; give Projection(...) tables=[...] of its read model")
        async with Leases(self._database).exclusive(f"rebuild:{self._name}") as connection:
            await self._prepare(connection)
            at = await self._replay(connection, Position.START)
            backoff = Backoff(first=0.02, most=1.0)
            crash_point("before-exchange")
            while True:
                try:
                    return await self._exchange(connection, at)
                except DRIVER_ERRORS as error:
                    if getattr(error, "sqlstate", "") not in _IN_USE:
                        raise
                    log.info("the new tables of %s wait for readers of the old ones", self._name)
                await backoff.wait()
                at = await self._replay(connection, at)

    async def _prepare(self, connection: Connection) -> None:
        async with connection.transaction():
            self._twins = [await find_twin(connection, table, self._schema) for table in self._tables]
            for twin in self._twins:
                if twin.obstacle:
                    raise RebuildError(f"{twin.table} cannot be rebuilt: {twin.obstacle}")
            schema = quoted(self._schema)
            await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
            for twin in self._twins:
                await make_twin(connection, twin)
            await self._building.remove(connection)
            await self._building.ensure(connection)
            await self._live.ensure(connection)
            path = await connection.fetchval("SELECT current_setting('search_path')")
            await connection.execute("SELECT set_config('search_path', $1, false)", f"{schema}, {path}")

    async def _replay(self, connection: Connection, at: Position) -> Position:
        while True:
            step = await self._projecting.step(connection, self._building, at, BATCH, self._refuse_writes_to_old)
            at = step.at
            if not step.full:
                return at

    async def _exchange(self, connection: Connection, at: Position) -> Position:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = {EXCHANGE_WAIT}")
            live = await self._live.read(
                connection, lock=True
            )  # first, as the live one does: so neither waits for the other
            while at < live:
                at = (await self._projecting.step(connection, self._building, at, BATCH)).at
            for twin in self._twins:
                await connection.execute(f"DROP TABLE {twin.old}")
                await connection.execute(f"ALTER TABLE {twin.new} SET SCHEMA {twin.home}")
            crash_point("during-exchange")
            await connection.execute(f"DROP SCHEMA {quoted(self._schema)}")
            await self._live.move(connection, at)
            await self._live.settle_rebuild(connection)
            await self._building.remove(connection)
        return at

    async def _refuse_writes_to_old(self, connection: Connection) -> None:
        """A handler that names the schema writes into the tables that are being read; nothing of it may commit."""
        for twin in self._twins:
            written = await connection.fetchval(
                "SELECT pg_stat_get_xact_tuples_inserted($1) + pg_stat_get_xact_tuples_updated($1) "
                "+ pg_stat_get_xact_tuples_deleted($1)",
                twin.oid,
            )
            if written:
                raise RebuildError(
                    f"a handler of {self._name} writes to {twin.old}; leave the schema out of its statements"
                )
