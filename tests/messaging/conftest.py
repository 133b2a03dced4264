"""A small producer and consumer on real servers, and a ledger that judges them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest

from atoll.contracts import Event
from atoll.data import Database, Work
from atoll.messaging import Broker, Consumer, Relay, open_broker
from atoll.service import Handler, Request
from atoll.testing import NatsServer


class Counted(Event, subject="test.counted", version=1, key="key"):
    key: str
    n: int


@pytest.fixture
def system() -> str:
    return f"s{uuid4().hex[:8]}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, service="test")
    await database.start()
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE ledger (seq bigserial, key text, n int, who text)")
    yield database
    async with asyncio.timeout(10):  # a test that failed may have left work open
        await database.stop()


@pytest.fixture
async def broker(nats: NatsServer, system: str) -> AsyncIterator[Broker]:
    broker = open_broker(nats.url, system=system)
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def relay(database: Database, broker: Broker, system: str) -> AsyncIterator[Relay]:
    relay = Relay(database, broker, system=system, service="test")
    await relay.start()
    yield relay
    await relay.stop()


def recorder(who: str = "", before: Callable[[Counted], Awaitable[None]] | None = None) -> Handler:
    """A handler that writes each event into the ledger, in the unit of work of the message."""

    async def handle(request: Request) -> None:
        event: Counted = request.message
        if before is not None:
            await before(event)
        work: Work = request.scope[Work]
        await work.execute("INSERT INTO ledger (key, n, who) VALUES ($1, $2, $3)", event.key, event.n, who)

    return handle


def consumer_of(database: Database, broker: Broker, handler: Handler, **options: object) -> Consumer:
    return Consumer(database, broker, {Counted: handler}, group="test", **options)  # type: ignore[arg-type]


async def publish(database: Database, key: str, *numbers: int) -> None:
    """Each number in a transaction of its own."""
    for n in numbers:
        async with database.work() as work:
            await work.publish(Counted(key, n))


async def ledger(database: Database) -> dict[str, list[int]]:
    """What was handled, by key, in the order in which it committed."""
    found: dict[str, list[int]] = {}
    async with database.connection() as connection:
        for row in await connection.fetch("SELECT key, n FROM ledger ORDER BY seq"):
            found.setdefault(row["key"], []).append(row["n"])
    return found


async def eventually(what: Callable[[], Awaitable[bool]], *, within: float = 20.0) -> None:
    """Returns when ``what`` holds; AssertionError if it still does not after that time."""
    until = time.monotonic() + within
    while not await what():
        assert time.monotonic() < until, "it did not come to pass in time"
        await asyncio.sleep(0.02)


async def handled(database: Database, count: int, *, within: float = 20.0) -> dict[str, list[int]]:
    """The ledger, once it has that many rows."""

    async def enough() -> bool:
        try:
            return sum(map(len, (await ledger(database)).values())) >= count
        except Exception:  # the database may be what a test takes away
            return False

    await eventually(enough, within=within)
    return await ledger(database)


async def sql(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()
