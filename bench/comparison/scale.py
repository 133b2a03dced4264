"""How cost grows: with instances of a service, rows waiting in the outbox, rows in the tables, and services in a system."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg

from atoll.contracts import Event
from atoll.data import Database, Outbox, migrate
from atoll.messaging import Relay, open_broker
from atoll.service import Service
from bench.comparison.atoll import shop, sign_in
from bench.comparison.candidate import Candidate, Question, Running
from bench.comparison.ground import ground
from bench.comparison.measure import Found, Work, Wrong, whole_system

WRITES = 200
LOOK_EVERY = 0.05  # seconds
# As the shop's own rows are. Their fence is older than any transaction's, so that relay and projections leave them alone.
OLD_ORDERS = (
    """INSERT INTO orders (id, customer, status, total, currency, lines, created_at)
       SELECT gen_random_uuid(), gen_random_uuid()::text, 'confirmed', 99, 'EUR', '[{"sku": "A1", "price": 99, "quantity": 1}]',
         now() FROM generate_series(1, $1)""",
    """INSERT INTO atoll.events (stream, number, fence, id, subject, version, data)
       SELECT 'order-' || gen_random_uuid(), 1, '3'::xid8, gen_random_uuid(), 'order.placed', 1, repeat('x', 230)
       FROM generate_series(1, $1)""",
    """INSERT INTO atoll.inbox (consumer, message_id) SELECT 'orders', gen_random_uuid()::text
       FROM generate_series(1, $1)""",
    "ANALYZE",
)
OLD_PAYMENTS = (
    """INSERT INTO payments (id, order_id, amount, currency, state, created_at)
       SELECT gen_random_uuid(), gen_random_uuid(), 99, 'EUR', 'captured', now() FROM generate_series(1, $1)""",
    """INSERT INTO atoll.inbox (consumer, message_id) SELECT 'payments', gen_random_uuid()::text
       FROM generate_series(1, $1)""",
    "ANALYZE",
)
CONFIRMED = """SELECT count(*) FILTER (WHERE subject = 'order.paid'), count(*) FILTER (WHERE subject = 'order.placed'),
    extract(epoch FROM max(recorded_at) FILTER (WHERE subject = 'order.paid'))::float8
    FROM atoll.events WHERE fence > '3'::xid8"""
WAITING = """INSERT INTO atoll.outbox (fence, id, subject, version, key, data)
    SELECT pg_current_xact_id(), gen_random_uuid(), 'order.created', 1, 'order-' || n, $2 FROM generate_series(1, $1) n"""
DATA = '{"order_id":"01a206bc-1888-7179-88a6-7d0943376a6f","user_id":"01a206bc-1252-72ad-b36b","total":1999,"currency":"EUR"}'


class OrderCreated(Event, subject="order.created", key="order_id"):
    order_id: str
    user_id: str
    total: int
    currency: str


def instances(count: int, work: Work) -> Found:
    """Checkout with so many instances of each service."""
    start = partial(shop, instances=count)
    return whole_system(Candidate(f"{count}", lambda folder: start(folder, "--no-dashboard")), checkout(work))


def rows(count: int, work: Work) -> Found:
    """Checkout with so many older rows in each of the tables that an order touches."""
    return whole_system(Candidate(f"{count}", partial(with_old_rows, count)), checkout(work))


def checkout(work: Work) -> Work:
    return Work("checkout", work.requests, work.connections)


@contextmanager
def with_old_rows(count: int, folder: Path) -> Iterator[Running]:
    with shop(folder, "--no-dashboard") as running:
        asyncio.run(fill(running.confirmed.database, OLD_ORDERS, count))
        asyncio.run(fill(running.captured.database, OLD_PAYMENTS, count))
        token = sign_in(f"http://127.0.0.1:{running.port}")  # the first one has run out after ten million rows
        yield replace(running, token=token, confirmed=Question(running.confirmed.database, CONFIRMED))


async def fill(database: str, statements: tuple[str, ...], count: int) -> None:
    connection = await asyncpg.connect(database)
    for statement in statements:
        await connection.execute(statement, *([count] if "$1" in statement else []))
    await connection.close()


def waiting(count: int, work: Work) -> Found:
    """Relay and writers while so many rows wait in the outbox."""
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder, ground(Path(folder)) as on:
        return asyncio.run(relayed(on.postgres.create_database(), on.nats.url, count, work.seconds)), {}


async def relayed(url: str, broker_url: str, count: int, seconds: float) -> dict[str, float]:
    """published/s: until all are published, or for so many seconds."""
    await migrate(url, Service("bench"))
    database, broker = Database(url, service="bench"), open_broker(broker_url, system="bench")
    await database.start()
    await broker.start()
    async with database.connection() as connection:
        await connection.execute(WAITING, count, DATA)
    figures = {
        "a transaction with an event, ms": await written(database),
        "asking for the backlog, ms": await asked(database),
    }
    relay = Relay(database, broker, system="bench", service="bench")
    began = time.perf_counter()
    await relay.start()
    published = await until_published(url, count, began + seconds)
    figures["published/s"] = published / (time.perf_counter() - began)
    figures["with the relay busy: a transaction with an event, ms"] = await written(database)
    for part in (relay, broker, database):
        await part.stop()
    if not published:
        raise Wrong(f"none of {count} rows was published within {seconds:g} s")
    return figures


async def until_published(url: str, count: int, until: float) -> int:
    """How many were. Positions begin at 1 and have no gaps here."""
    connection = await asyncpg.connect(url)
    published = 0
    while published < count and time.perf_counter() < until:
        await asyncio.sleep(LOOK_EVERY)
        published = await connection.fetchval("SELECT position FROM atoll.relay") or 0
    await connection.close()
    return min(published, count)


async def written(database: Database) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    for number in range(WRITES):
        async with database.work() as work:
            await work.publish(OrderCreated(f"late-{number}", "user", 1999, "EUR"))
    return (time.perf_counter() - began) / WRITES * 1000


async def asked(database: Database) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await Outbox(database).status()
    return (time.perf_counter() - began) * 1000
