"""A service with dead letters, made as a consumer makes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from atoll.contracts import Event
from atoll.data import Database, Work
from atoll.messaging import Consumer
from atoll.messaging.envelope import Envelope, encode_envelope
from atoll.messaging.incoming import Failure, Message
from atoll.messaging.memory import MemoryBroker
from atoll.messaging.parking import bury
from atoll.operate import Databases
from atoll.service import Request


class Placed(Event, subject="order.placed", version=1, key="order"):
    order: str


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, service="payments")
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
def databases(database_url: str) -> Databases:
    return Databases({"payments": database_url})


async def die(database: Database, order: str, error: str = "ZeroDivisionError: division by zero") -> None:
    """One letter, after all its attempts."""
    body = encode_envelope(
        Envelope(
            id=f"id-{order}", source="/shop/orders", type="order.placed", subject=order, partitionkey=order,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            data=msgspec.Raw(msgspec.json.encode({"order": order})),
        )
    )  # fmt: skip
    message = Message(f"id-{order}", order, "order.placed", 3, body, attempts=6)
    async with database.work() as work:
        await bury(work, "payments", message, Failure(6, error, f"Traceback:\n{error}"))


async def consume(database: Database, until: Callable[[], Awaitable[bool]]) -> list[str]:
    """Runs a consumer that can handle everything; the orders that it handled."""
    handled: list[str] = []

    async def handle(request: Request) -> None:
        await request.scope[Work].execute("SELECT 1")
        handled.append(request.message.order)

    consumer = Consumer(database, MemoryBroker(), {Placed: handle}, group="payments")
    await consumer.start()
    try:
        await eventually(until)
    finally:
        await consumer.stop()
    return handled


async def eventually(what: Callable[[], Awaitable[bool]], *, within: float = 20.0) -> None:
    until = time.monotonic() + within
    while not await what():
        assert time.monotonic() < until, "it did not come to pass in time"
        await asyncio.sleep(0.05)
