"""A service with sagas on a real database, and a ledger that judges."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from atoll.contracts import Event
from atoll.data import Database, Work
from atoll.sagas import SagaDetail, SagaRunner, Sagas, Started


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, service="test")
    await database.start()
    await make_ledger(database)
    yield database
    await database.stop()


async def make_ledger(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE ledger (seq bigserial, key text, what text)")


async def note(work: Work, key: str, what: str) -> None:
    """A local effect, and the judge of it: it commits with the step."""
    await work.execute("INSERT INTO ledger (key, what) VALUES ($1, $2)", key, what)


async def noted(database: Database, key: str) -> list[str]:
    async with database.connection() as connection:
        return [
            row["what"] for row in await connection.fetch("SELECT what FROM ledger WHERE key = $1 ORDER BY seq", key)
        ]


async def begin(database: Database, saga: Any, message: Any) -> Started:
    async with database.work() as work:
        return await Sagas(database).start(work, saga, message)


async def give(database: Database, saga: Any, event: Event) -> bool:
    async with database.work() as work:
        return await Sagas(database).deliver(work, saga, event)


async def until(database: Database, saga_id: UUID, *states: str, within: float = 20.0) -> SagaDetail:
    """The saga, once it is in one of these states."""
    found = await Sagas(database).show(saga_id)
    stop = time.monotonic() + within
    while found.saga.state not in states:
        assert time.monotonic() < stop, f"{found.saga.state} {found.saga.trouble}: {found.steps}"
        await asyncio.sleep(0.02)
        found = await Sagas(database).show(saga_id)
    return found


async def eventually(what: Callable[[], Awaitable[bool]], *, within: float = 20.0) -> None:
    stop = time.monotonic() + within
    while not await what():
        assert time.monotonic() < stop, "it did not come to pass in time"
        await asyncio.sleep(0.02)


class Running:
    """Instances of a service that runs these sagas."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.runners: list[SagaRunner] = []

    async def __call__(
        self, *sagas: Any, provided: dict[type, Any] | None = None, database: Database | None = None
    ) -> SagaRunner:
        runner = SagaRunner(database or self.database, sagas, service="test", provided=provided)
        await runner.start()
        self.runners.append(runner)
        return runner

    async def stop(self) -> None:
        for runner in self.runners:
            await runner.stop()


@pytest.fixture
async def run(database: Database) -> AsyncIterator[Running]:
    running = Running(database)
    yield running
    await running.stop()
