"""A database that neither answers nor ends its connections costs nobody more than the time that was given."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.data.silent import Network, network_to

from atoll.contracts import Event
from atoll.data import Database, DatabaseUnavailable, group_commit, migrate, postgres
from atoll.messaging import Relay, relay
from atoll.messaging.memory import MemoryBroker
from atoll.service import Service
from atoll.testing import PostgresServer

GUARD = 20.0  # seconds; what is waited for comes in tenths of one, or never


class Happened(Event, subject="thing.happened", key="thing"):
    thing: str


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as found:
        yield found


@pytest.fixture
async def network(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(postgres, "LET_GO", 0.2)
    monkeypatch.setattr(group_commit, "ANSWER", 0.3)
    url = server.create_database()
    await migrate(url, Service("test"))
    async with network_to(url) as found:
        yield found


@pytest.fixture
async def database(network: Network) -> AsyncIterator[Database]:
    found = Database(network.url, service="test", min_size=3, max_size=3)
    await found.start()
    await found.warmed(GUARD)
    yield found
    await found.stop(0.5)


async def publish(database: Database) -> None:
    async with database.work() as work:
        await work.publish(Happened("x"))


async def test_a_time_limit_ends_a_statement_that_is_not_answered(database: Database, network: Network) -> None:
    async def ask() -> None:
        async with database.connection() as connection:
            await connection.fetchval("SELECT 1")
            network.silence()
            await connection.fetchval("SELECT 2")

    async with asyncio.timeout(GUARD):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await ask()
        assert database.usage()[0] == 0  # it is not waited for, either


async def test_a_check_ends_with_its_time(database: Database, network: Network) -> None:
    network.silence()
    async with asyncio.timeout(GUARD):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await database.check()
        for _ in range(2):  # each check gets rid of one connection that is dead
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await database.check()
        await database.check()


async def test_units_of_work_commit_again_after_a_failover_without_a_word(database: Database, network: Network) -> None:
    await publish(database)
    network.silence()
    refused = 0
    async with asyncio.timeout(GUARD):
        while True:
            try:
                await publish(database)
                break
            except DatabaseUnavailable as error:
                refused += 1
                assert "did not say within 0.3 s whether it has written this" in error.detail
    assert 1 <= refused <= 3


async def test_a_lot_that_waits_for_a_lock_is_taken_back(database: Database, server: PostgresServer) -> None:
    async with database.connection() as other, other.transaction():
        await other.execute("LOCK TABLE atoll.outbox IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnavailable, match="look before you repeat it"):
            await publish(database)
    async with database.connection() as other:
        assert await other.fetchval("SELECT count(*) FROM atoll.outbox") == 0


async def test_the_relay_goes_on_after_a_failover_without_a_word(
    network: Network, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "ANSWER", 0.3)
    database, broker = Database(network.url, service="test", min_size=0), MemoryBroker()
    running = Relay(database, broker, system="shop", service="test")
    await database.start()
    await broker.start()
    await running.start()
    async with asyncio.timeout(GUARD):
        await publish(database)
        await until_published(broker, 1)
        network.silence()
        while True:
            try:
                await publish(database)
                break
            except DatabaseUnavailable:
                continue
        await until_published(broker, 2)
    for part in (running, broker, database):
        await part.stop()


async def until_published(broker: MemoryBroker, count: int) -> None:
    while sum(len(log) for log in broker._logs) < count:
        await asyncio.sleep(0.02)


async def test_a_host_that_is_gone_is_noticed_by_tcp(database: Database) -> None:
    async with database.connection() as pooled:
        own = await database.dedicated()
        for connection in (pooled, own):
            found = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
            assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 25_000
        await own.close()


async def test_a_stop_ends_with_its_time(database: Database, network: Network) -> None:
    network.silence()
    async with asyncio.timeout(GUARD):
        await database.stop(0.1)
