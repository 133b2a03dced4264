"""On a server where nothing else happens, an event's turn comes at once."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from atoll.contracts import Event
from atoll.data import Database
from atoll.data.deferred import WRITE, columns, of_outbox
from atoll.data.outbox import Cursor, outgoing, read_after


class Rung(Event, subject="bell.rung"):
    bell: str


async def test_an_event_written_behind_a_later_transaction_is_settled_with_its_commit(database_url: str) -> None:
    database = Database(database_url, service="bells")
    other = Database(database_url, service="other")
    await database.start()
    await other.start()
    try:
        async with database.work() as work:
            await work.execute("SELECT pg_current_xact_id()")
            async with other.connection() as connection:  # a later transaction that ends earlier raises the fence
                await connection.execute("SELECT pg_current_xact_id()")
            await work.publish(Rung(str(uuid4())))
        async with database.connection() as connection:
            rows = await read_after(connection, Cursor(0, 0), 10)
        assert [row["settled"] for row in rows] == [True]
    finally:
        await database.stop()
        await other.stop()


async def test_a_writer_that_runs_with_the_newest_id_of_all_is_not_passed_by(database_url: str) -> None:
    """A snapshot does not list it, and its row has a lower position than one that commits meanwhile."""
    databases = [Database(database_url, service=f"bells-{n}") for n in range(3)]
    for database in databases:
        await database.start()
    early, ended, running = (database.work() for database in databases)
    try:
        async with asyncio.TaskGroup() as group:
            passed, may_end = asyncio.Event(), asyncio.Event()
            has_early, has_running = asyncio.Event(), asyncio.Event()

            async def first() -> None:
                async with early as work:
                    await work.execute("SELECT pg_current_xact_id()")
                    has_early.set()
                    await has_running.wait()
                    await work.publish(Rung("early"))
                passed.set()

            async def last() -> None:
                await has_early.wait()
                async with ended as work:
                    await work.execute("SELECT pg_current_xact_id()")
                async with running as work:
                    await work.execute(WRITE, *columns([of_outbox(outgoing(Rung("running"), None, None))]))
                    has_running.set()
                    await may_end.wait()

            group.create_task(first())
            group.create_task(last())
            await passed.wait()
            async with databases[1].connection() as connection:
                rows = await read_after(connection, Cursor(0, 0), 10)
                published = [row for row in rows if row["settled"]]
                cursor = Cursor(published[-1]["fence"], published[-1]["position"]) if published else Cursor(0, 0)
                may_end.set()
                await asyncio.sleep(0.1)
                later = await read_after(connection, cursor, 10)
        assert [row["key"] for row in (*published, *later)] == ["early", "running"]
    finally:
        for database in databases:
            await database.stop()
