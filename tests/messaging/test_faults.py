"""Crashes and outages on real servers; the ledger judges: nothing lost, nothing twice, each key in order."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.messaging.conftest import Counted, consumer_of, handled, ledger, recorder, sql
from tests.messaging.crashing import EACH, KEYS

from atoll.contracts import Conflict, Unavailable
from atoll.data import Database, migrate
from atoll.messaging import Broker, Relay, open_broker
from atoll.service import Service
from atoll.testing import NatsServer, PostgresServer

ROOT = Path(__file__).parents[2]
LABELS = ("between commit and publish", "between publish and mark", "between handler commit and acknowledgement")


async def run_crashing(*arguments: str) -> int:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.messaging.crashing", *arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
    )
    try:
        return await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("label", LABELS)
async def test_kill_9_at_every_labelled_point(label: str, database_url: str, nats: NatsServer, system: str) -> None:
    await sql(database_url, "CREATE TABLE ledger (seq bigserial, key text, n int, who text)")
    await sql(database_url, "CREATE TABLE producers (key text PRIMARY KEY, n int)")
    await sql(database_url, f"INSERT INTO producers SELECT 'key' || n, 0 FROM generate_series(0, {KEYS - 1}) n")
    for after in (1, 2, 7):
        assert await run_crashing(database_url, nats.url, system, label, str(after)) == -signal.SIGKILL
    assert await run_crashing(database_url, nats.url, system, "nowhere", "0") == 0
    rows = await sql(database_url, "SELECT key, array_agg(n ORDER BY seq) AS numbers FROM ledger GROUP BY key")
    assert {row["key"]: row["numbers"] for row in rows} == {f"key{n}": list(range(1, EACH + 1)) for n in range(KEYS)}


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def own_nats() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


class Plant:
    """Two instances of a service on servers of their own, and a producer that insists."""

    def __init__(self, url: str, nats: str, system: str) -> None:
        self.databases = [Database(url, service="test", source=f"test-{n}") for n in range(2)]
        self.brokers: list[Broker] = [open_broker(nats, system=system) for _ in range(2)]
        pairs = list(zip(self.databases, self.brokers, strict=True))
        self.relays = [Relay(database, broker, system=system, service="test") for database, broker in pairs]
        self.consumers = [consumer_of(database, broker, recorder(str(n))) for n, (database, broker) in enumerate(pairs)]

    async def start(self) -> None:
        for part in (*self.databases, *self.brokers, *self.relays, *self.consumers):
            await part.start()  # type: ignore[attr-defined]

    async def stop(self) -> None:
        for part in (*self.consumers, *self.relays, *self.brokers, *self.databases):
            await part.stop()  # type: ignore[attr-defined]

    async def produce(self, key: str, count: int) -> list[int]:
        """What was accepted: each number once, although an outage may hide whether a commit came through."""
        accepted = []
        n = 0
        while n < count:
            try:
                async with self.databases[n % 2].work() as work:
                    claimed = "INSERT INTO sent VALUES ($1, $2) ON CONFLICT DO NOTHING"
                    if await work.execute(claimed, key, n) == "INSERT 0 1":
                        await work.publish(Counted(key, n))
            except (Unavailable, Conflict):
                continue
            accepted.append(n)
            n += 1
            await asyncio.sleep(random.random() * 0.02)
        return accepted


@pytest.fixture
async def plant(own_postgres: PostgresServer, own_nats: NatsServer, system: str) -> AsyncIterator[Plant]:
    url = own_postgres.create_database()
    await migrate(url, Service("test"))
    await sql(url, "CREATE TABLE ledger (seq bigserial, key text, n int, who text)")
    await sql(url, "CREATE TABLE sent (key text, n int, PRIMARY KEY (key, n))")
    plant = Plant(url, own_nats.url, system)
    await plant.start()
    yield plant
    await plant.stop()


async def judge(plant: Plant, producing: list[asyncio.Task[list[int]]], count: int) -> None:
    accepted = await asyncio.gather(*producing)
    found = await handled(plant.databases[0], count * len(producing), within=60)
    assert found == {f"key{n}": numbers for n, numbers in enumerate(accepted)}
    await asyncio.sleep(0.3)  # nothing comes late a second time
    assert await ledger(plant.databases[0]) == found


async def test_postgresql_killed_while_events_flow(plant: Plant, own_postgres: PostgresServer) -> None:
    producing = [asyncio.create_task(plant.produce(f"key{n}", 60)) for n in range(5)]
    for _ in range(2):
        await asyncio.sleep(0.4)
        await asyncio.to_thread(own_postgres.kill)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(own_postgres.start)
    await judge(plant, producing, 60)


async def test_nats_killed_while_events_flow(plant: Plant, own_nats: NatsServer) -> None:
    producing = [asyncio.create_task(plant.produce(f"key{n}", 60)) for n in range(5)]
    for _ in range(2):
        await asyncio.sleep(0.4)
        await asyncio.to_thread(own_nats.kill)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(own_nats.start)
    await judge(plant, producing, 60)


async def test_a_broker_that_lost_everything_is_made_anew(plant: Plant, own_nats: NatsServer) -> None:
    """What it had acknowledged is in the outbox still; what comes afterwards flows by itself."""
    first = [asyncio.create_task(plant.produce(f"key{n}", 10)) for n in range(2)]
    await judge(plant, first, 10)
    await asyncio.to_thread(own_nats.kill)
    own_nats.wipe()
    await asyncio.to_thread(own_nats.start)
    async with plant.databases[0].work() as work:
        await work.publish(Counted("after", 0))
    found = await handled(plant.databases[0], 21)
    assert found["after"] == [0]


async def test_connections_cut_at_random_while_events_flow(plant: Plant, own_postgres: PostgresServer) -> None:
    """Leases move, transactions die half-way, commits go unanswered."""
    producing = [asyncio.create_task(plant.produce(f"key{n}", 80)) for n in range(5)]
    for _ in range(8):
        await asyncio.sleep(0.2)
        await asyncio.to_thread(
            own_postgres.sql,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'test-%' AND random() < 0.5",
        )
    await judge(plant, producing, 80)


async def test_a_frozen_broker_loses_nothing(plant: Plant, own_nats: NatsServer) -> None:
    """It neither answers nor closes its connections, for longer than a publish waits."""
    producing = [asyncio.create_task(plant.produce(f"key{n}", 40)) for n in range(3)]
    await asyncio.sleep(0.3)
    own_nats.pause()
    await asyncio.sleep(6)
    own_nats.resume()
    await judge(plant, producing, 40)
