"""Who is cut off in the middle of its work lets go at once: no task goes on, no lease and no partition stays held."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from tests.faults.plant import until

from atoll.contracts import Event, Message
from atoll.data import Connection, Database, EventStore, Projection, Stored, projects
from atoll.messaging import Consumer, Relay
from atoll.messaging.memory import MemoryBroker
from atoll.sagas import Saga, SagaRunner, saga
from atoll.service import Lifecycle, Request

HELD = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class Begun:
    """Work has. An event of asyncio belongs to one loop, so each test has its own."""

    event: asyncio.Event


class Counted(Event, subject="test.counted", key="key"):
    key: str


class Go(Message):
    key: str


class StuckBroker(MemoryBroker):
    """Acknowledges nothing."""

    async def publish_all(self, messages: Any) -> None:
        Begun.event.set()
        await asyncio.Event().wait()


@saga(name="trip", key="key")
async def trip(go: Go, saga: Saga) -> None:
    Begun.event.set()
    await asyncio.Event().wait()


@projects(Counted)
async def see(stored: Stored[Counted], model: Connection) -> None:
    Begun.event.set()
    await asyncio.Event().wait()


async def handle(request: Request) -> None:
    Begun.event.set()
    await asyncio.Event().wait()


@pytest.mark.parametrize("grace", [0.0, 0.2])
@pytest.mark.parametrize("part", ["relay", "consumer", "projection", "saga"])
async def test_it_lets_go_at_once(part: str, grace: float, database_url: str) -> None:
    Begun.event = asyncio.Event()
    reports: list[str] = []
    lifecycle = Lifecycle(lambda name, error: reports.append(f"{name}: {type(error).__name__}"))
    database = Database(database_url, service="test")
    broker = StuckBroker() if part == "relay" else MemoryBroker()
    await lifecycle.start("database", database)
    await lifecycle.start("broker", broker)
    if part in {"relay", "consumer"}:
        await lifecycle.start("relay", Relay(database, broker, system="shop", service="test"))
    if part == "consumer":
        await lifecycle.start("consumer", Consumer(database, broker, {Counted: handle}, group="test"))
    if part == "projection":
        await lifecycle.start("projection", Projection(database, "seen", [see]))
    runner = SagaRunner(database, [trip], service="test")
    if part == "saga":
        await lifecycle.start("saga", runner)
    async with database.work() as work:
        if part == "projection":
            await EventStore([Counted]).append(work, "counted-1", [Counted("a")], expected=0)
        elif part == "saga":
            await runner.sagas.start(work, trip, Go("a"))
        else:
            await work.publish(Counted("a"))
    async with asyncio.timeout(30):
        await Begun.event.wait()
    await lifecycle.stop(grace)
    assert f"{part}: TimeoutError" in reports  # so it was at work, and was cut off
    left = {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    assert not left
    looking = await asyncpg.connect(database_url)

    async def nothing_is_held() -> bool:
        return bool(await looking.fetchval(HELD) == 0)

    await until(nothing_is_held, "leases and partitions are free", within=20.0)
    await looking.close()
