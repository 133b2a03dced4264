"""On a server where nothing else happens, an event's turn comes at once."""

from __future__ import annotations

from uuid import uuid4

from atoll.contracts import Event
from atoll.data import Database
from atoll.data.outbox import Cursor, read_after


class Rung(Event, subject="bell.rung"):
    bell: str


async def test_an_event_whose_fence_lies_ahead_of_all_transactions_is_settled(database_url: str) -> None:
    database = Database(database_url, service="bells")
    other = Database(database_url, service="other")
    await database.start()
    await other.start()
    try:
        async with database.work() as work:
            await work.execute("SELECT pg_current_xact_id()")
            async with other.connection() as connection:  # a later transaction that ends earlier pushes the fence ahead
                await connection.execute("SELECT pg_current_xact_id()")
            await work.publish(Rung(str(uuid4())))
        async with database.connection() as connection:
            rows = await read_after(connection, Cursor(0, 0), 10)
            ahead = await connection.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())")
        assert [(row["fence"], row["settled"]) for row in rows] == [(ahead, True)]
    finally:
        await database.stop()
        await other.stop()
