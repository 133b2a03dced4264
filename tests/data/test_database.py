from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from atoll.contracts import DeadlineExceeded, Unavailable
from atoll.data import Database, DatabaseUnavailable, postgres
from atoll.service import Request, current_request
from atoll.testing import PostgresServer


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server of our own, to be stopped and killed."""
    with PostgresServer() as server:
        server.sql("CREATE TABLE things (id int)")
        yield server


@pytest.fixture
def server(own: PostgresServer) -> PostgresServer:
    if own._process is None:
        own.start()
    return own


def database_of(server: PostgresServer, *, max_size: int = 10) -> Database:
    return Database(server.url("postgres"), service="test", max_size=max_size)


def _as(server: PostgresServer, role: str) -> str:
    parts = urlsplit(server.url("postgres"))
    return parts._replace(netloc=f"{role}:{role}@{parts.hostname}:{parts.port}").geturl()


async def add(database: Database) -> None:
    async with database.work() as work:
        await work.execute("INSERT INTO things VALUES (1)")


async def test_stops_while_it_gives_back_the_connections_of_its_start(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(server.url("postgres"), service="test", min_size=4)
    release, stopping = database.release, asyncio.Event()

    async def release_and_tell(connection: postgres.Connection) -> None:
        stopping.set()
        await release(connection)

    monkeypatch.setattr(database, "release", release_and_tell)
    await database.start()
    await stopping.wait()
    async with asyncio.timeout(20):  # a connection that nobody gives back would be waited for
        await database.stop()


async def test_starts_at_once_while_the_database_is_away_and_works_when_it_comes(server: PostgresServer) -> None:
    server.stop()
    database = database_of(server)
    started = time.monotonic()
    await database.start()
    assert time.monotonic() - started < 4  # instead of for ever, or of a connection's 5 s
    with pytest.raises(OSError, match="Connect call failed"):
        await database.check()
    adding = asyncio.create_task(add(database))
    await asyncio.to_thread(server.start)
    await adding
    await database.check()
    await database.stop()


async def test_connections_of_the_start_are_there_once_it_is_warmed(server: PostgresServer) -> None:
    database = Database(server.url("postgres"), service="test", min_size=3)
    for _ in range(2):  # also when it is started again
        await database.start()
        await database.warmed(60)
        assert database.usage() == (0, 3)
        await database.stop()


async def test_nobody_waits_for_the_connections_of_a_database_that_is_away(server: PostgresServer) -> None:
    server.stop()
    database = Database(server.url("postgres"), service="test", min_size=3)
    await database.start()
    await database.warmed(3600)
    await asyncio.to_thread(server.start)
    await database.stop()


async def test_who_gets_fewer_connections_at_the_start_works_with_those(server: PostgresServer) -> None:
    server.sql("CREATE ROLE few LOGIN CONNECTION LIMIT 2 PASSWORD 'few'; GRANT ALL ON things TO few")
    first, second = (Database(_as(server, "few"), service=name, min_size=4) for name in ("first", "second"))
    for database in (first, second):
        await database.start()
        await database.warmed(60)
    assert first.usage() == (0, 2)
    await add(first)
    await first.stop()  # the second has waited for any at all
    await add(second)
    await second.stop()


async def test_work_waits_no_longer_than_the_request_has(server: PostgresServer) -> None:
    server.stop()
    database = database_of(server)
    await database.start()
    token = current_request.set(Request("any", None, deadline=time.monotonic() + 0.5))
    started = time.monotonic()
    try:
        with pytest.raises(Unavailable, match=r"no database connection within 0\.. s"):
            await add(database)
    finally:
        current_request.reset(token)
    assert time.monotonic() - started < 4  # instead of for ever, or of a connection's 5 s
    await database.stop()


async def test_a_request_without_time_says_nothing_about_the_database(server: PostgresServer) -> None:
    database = database_of(server)
    await database.start()
    await add(database)
    for _ in range(20):
        token = current_request.set(Request("any", None, deadline=time.monotonic() + 0.0005))
        try:
            with suppress(DeadlineExceeded):  # it may be quick enough; it must not say that the database is away
                await add(database)
        finally:
            current_request.reset(token)
    await database.stop()


async def test_survives_a_restart_of_the_server(server: PostgresServer) -> None:
    """Every pooled connection is dead afterwards, and nobody notices."""
    database = database_of(server, max_size=5)
    await database.start()
    await asyncio.gather(*(add(database) for _ in range(20)))
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await asyncio.gather(*(add(database) for _ in range(20)))
    await database.stop()


async def test_a_dead_connection_is_found_out_before_anything_is_sent(server: PostgresServer) -> None:
    database = database_of(server, max_size=1)
    await database.start()
    await add(database)
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'")
    await add(database)  # the loop has had no chance yet to hear of the end
    await database.stop()


async def test_a_connection_that_dies_while_it_is_given_back_is_nobodys_failure(server: PostgresServer) -> None:
    database = database_of(server, max_size=1)
    await database.start()
    connection = await database.acquire()
    giving = asyncio.create_task(database.release(connection))
    await asyncio.sleep(0)  # one turn: the giving back has begun, and has not ended
    postgres.end(connection)
    await giving
    await add(database)
    await database.stop()


async def test_a_busy_pool_says_so(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.data.database.PATIENCE", 0.2)
    database = database_of(server, max_size=1)
    await database.start()
    async with database.work() as work:
        await work.execute("SELECT 1")
        with pytest.raises(DatabaseUnavailable, match="all 1 connections are busy"):
            await asyncio.create_task(add(database))
        await database.check()
    await database.stop()


async def test_stop_waits_for_the_work_that_runs(server: PostgresServer) -> None:
    database = database_of(server)
    await database.start()
    begun = asyncio.Event()

    async def slow() -> None:
        async with database.work() as work:
            await work.execute("SELECT pg_sleep(0.2)")
            begun.set()
            await work.execute("SELECT pg_sleep(0.2)")

    task = asyncio.create_task(slow())
    await begun.wait()
    await database.stop()
    await task


async def test_stop_before_start_is_safe() -> None:
    await Database("postgresql://nobody@127.0.0.1:1/nowhere", service="test").stop()
