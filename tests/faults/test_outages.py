"""Servers and services that are taken away while orders come in; the same judge as in the crash campaign."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.judging import judge
from tests.faults.plant import Plant

from atoll.data import migrate
from atoll.service import Service
from atoll.testing import NatsServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OUTAGE = float(os.environ.get("ATOLL_OUTAGE", "3"))  # seconds without a broker; 30 by hand
ROUNDS = int(os.environ.get("ATOLL_KILLS", "6"))


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("ATOLL_TEST_SEED") or random.randrange(2**31))
    print(f"seed {seed}; repeat with ATOLL_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def own_nats() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


@pytest.fixture(scope="module")
def own_template(own_postgres: PostgresServer) -> str:
    url = own_postgres.create_database()
    asyncio.run(migrate(url, Service("template")))
    return url.rpartition("/")[2]


@pytest.fixture
def plant(
    own_postgres: PostgresServer, own_nats: NatsServer, own_template: str, tmp_path: Path, chance: random.Random
) -> Plant:
    return Plant(own_postgres, own_nats, own_template, tmp_path, chance)


async def load_until(plant: Plant, over: asyncio.Event) -> None:
    """Orders, two at a time, as long as it lasts."""
    while not over.is_set():
        await plant.wave(2)


async def settled(plant: Plant, load: asyncio.Task[None], over: asyncio.Event) -> None:
    over.set()
    await load
    await plant.ready()
    await plant.rest()
    print(await judge(plant))


async def test_the_broker_away_under_load(plant: Plant, own_nats: NatsServer) -> None:
    over = asyncio.Event()
    async with plant:
        load = asyncio.create_task(load_until(plant, over))
        await plant.wave(4, poison=True)
        await asyncio.to_thread(own_nats.kill)
        before = len(plant.accepted)
        await asyncio.sleep(OUTAGE)
        during = len(plant.accepted) - before
        await asyncio.to_thread(own_nats.start)
        await settled(plant, load, over)
    assert during > 0  # a broker that is away keeps nobody from ordering


async def test_postgresql_stopped_at_once_under_load(plant: Plant, own_postgres: PostgresServer) -> None:
    over = asyncio.Event()
    async with plant:
        load = asyncio.create_task(load_until(plant, over))
        for _ in range(2):
            await plant.wave(4, poison=True)
            await asyncio.to_thread(own_postgres._end, signal.SIGQUIT)  # immediate: no checkpoint, no goodbye
            await asyncio.to_thread(own_postgres.start)
        await settled(plant, load, over)


async def test_any_process_killed_at_any_time(
    plant: Plant, own_postgres: PostgresServer, own_nats: NatsServer, chance: random.Random
) -> None:
    over = asyncio.Event()
    async with plant:
        load = asyncio.create_task(load_until(plant, over))
        victims = ["orders", "payments", "postgres", "nats"]
        for _ in range(max(1, ROUNDS // len(victims))):
            for victim in chance.sample(victims, len(victims)):
                await asyncio.sleep(chance.uniform(0.1, 1.5))
                await kill_and_start(plant, victim, own_postgres, own_nats)
        await settled(plant, load, over)


async def kill_and_start(plant: Plant, victim: str, postgres: PostgresServer, nats: NatsServer) -> None:
    if victim in ("orders", "payments"):
        plant.kill(victim)
        plant.start(victim)
        return
    server = postgres if victim == "postgres" else nats
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
