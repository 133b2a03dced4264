"""How fast events flow: unit of work -> outbox -> broker, and broker -> inbox and handler. On PostgreSQL and NATS of its own.

    python -m bench.messaging [--events 20000] [--durable] [--json]

One process does it all, on as many cores as the servers leave it. ``--durable``: PostgreSQL with fsync.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from atoll.contracts import Event
from atoll.contracts.policies import ConsumerPolicy
from atoll.data import Database, Outbox, Work, migrate
from atoll.messaging import Consumer, Relay, open_broker
from atoll.service import Request, Service
from atoll.testing import NatsServer, PostgresServer
from bench.comparison.arguments import Parser, count

Timed = Callable[[], Awaitable[Any]]
FOUND: dict[str, float] = {}  # what was measured
QUIET = "--json" in sys.argv


class OrderCreated(Event, subject="order.created", key="order_id"):
    order_id: str
    user_id: str
    total: int
    currency: str


def order(n: int) -> OrderCreated:
    return OrderCreated(f"order-{n}", f"user-{n % 100}", 1999, "EUR")


async def seconds(what: Timed) -> float:
    started = time.perf_counter()
    await what()
    return time.perf_counter() - started


def show(name: str, count: int, took: float) -> None:
    FOUND[f"{name} /s"] = count / took
    if not QUIET:
        print(f"{name:<58} {count / took:>9,.0f}/s   {took / count * 1e6:>7.1f} us")


async def spread(count: int, workers: int, one: Callable[[int], Awaitable[None]]) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for n in numbers:
            await one(n)

    await asyncio.gather(*(work() for _ in range(workers)))


async def units_of_work(database: Database, count: int) -> None:
    async def row_and_event(n: int) -> None:
        async with database.work() as work:
            await work.execute("INSERT INTO state (id, text) VALUES ($1, $2)", n, "some state")
            await work.publish(order(n))

    show("work: one row and one event, 10 at once", count, await seconds(lambda: spread(count, 10, row_and_event)))
    await database_execute(database, "TRUNCATE state")
    few = count // 10
    show("work: one row and one event, one at a time", few, await seconds(lambda: spread(few, 1, row_and_event)))


async def database_execute(database: Database, statement: str) -> None:
    async with database.connection() as connection:
        await connection.execute(statement)


async def caught_up(database: Database) -> None:
    while (await Outbox(database).status()).pending:  # noqa: ASYNC110 - the state of a table has no event
        await asyncio.sleep(0.005)


async def relay_throughput(database: Database, relay: Relay, count: int) -> None:
    pending = (await Outbox(database).status()).pending
    missing = max(0, count - pending)

    async def hundred(n: int) -> None:
        async with database.work() as work:
            for m in range(100):
                await work.publish(order(n * 100 + m))

    await spread(missing // 100, 4, hundred)
    pending = (await Outbox(database).status()).pending

    async def drain() -> None:
        await relay.start()
        await caught_up(database)

    show("relay: outbox -> broker, acknowledged and marked", pending, await seconds(drain))


async def commit_to_broker(database: Database, count: int) -> None:
    async def ten(n: int) -> None:
        async with database.work() as work:
            for m in range(10):
                await work.publish(order(n * 10 + m))

    async def flow() -> None:
        await spread(count // 10, 8, ten)
        await caught_up(database)

    show("commit -> broker, 10 events a work, 8 at once", count, await seconds(flow))


async def consumption(name: str, consumer: Consumer, handled: asyncio.Queue[float], count: int) -> None:
    async def drain() -> None:
        await consumer.start()
        for _ in range(count):
            await handled.get()

    show(f"consumer: {name}", count, await seconds(drain))


async def latency(database: Database, handled: asyncio.Queue[float]) -> None:
    took = []
    for n in range(200):
        async with database.work() as work:
            await work.publish(order(10_000_000 + n))
        started = time.perf_counter()
        took.append(await handled.get() - started)
    took.sort()
    name = "commit -> handler committed, idle system"
    FOUND.update({f"{name}, p50 ms": took[100] * 1e3, f"{name}, p99 ms": took[197] * 1e3})
    if not QUIET:
        print(f"{name:<58} p50 {took[100] * 1e3:.1f} ms   p99 {took[197] * 1e3:.1f} ms")


async def main(count: int, *, durable: bool) -> None:
    options = ("-c", "fsync=on", "-c", "full_page_writes=on") if durable else ()
    with PostgresServer(options=options) as postgres, NatsServer() as nats:
        url = postgres.create_database()
        await migrate(url, Service("bench"))
        database, broker = Database(url, service="bench"), open_broker(nats.url, system="bench")
        await database.start()
        await broker.start()
        await database_execute(database, "CREATE TABLE state (id int, text text)")
        relay = Relay(database, broker, system="bench", service="bench")
        handled: asyncio.Queue[float] = asyncio.Queue()

        async def handle(request: Request) -> None:
            work: Work = request.scope[Work]
            await work.execute("INSERT INTO state (id, text) VALUES ($1, $2)", 1, request.message.order_id)
            work.on_commit(lambda: handled.put_nowait(time.perf_counter()))

        async def handle_many(request: Request) -> None:
            work: Work = request.scope[Work]
            rows = [(1, one.order_id) for one in request.message]
            await work.executemany("INSERT INTO state (id, text) VALUES ($1, $2)", rows)

            def tell() -> None:
                for _ in rows:
                    handled.put_nowait(time.perf_counter())

            work.on_commit(tell)

        def several(in_flight: int) -> Consumer:
            policy = ConsumerPolicy(in_flight=in_flight)
            return Consumer(database, broker, {OrderCreated: handle}, group=f"bench-{in_flight}", policy=policy)

        lists = Consumer(database, broker, {OrderCreated: handle_many}, group="bench-lists", batched=[OrderCreated])
        consumer = Consumer(database, broker, {OrderCreated: handle}, group="bench")
        await units_of_work(database, count // 2)
        await relay_throughput(database, relay, count)
        await commit_to_broker(database, count)
        async with database.connection() as connection:
            published = await connection.fetchval("SELECT count(*) FROM atoll.outbox")
        for in_flight in (2, 4, 10):
            other = several(in_flight)
            await consumption(f"inbox, one row, commit, acknowledge; {in_flight} at once", other, handled, published)
            await other.stop()
        await consumption("inbox, rows, one commit, acknowledge; in lists", lists, handled, published)
        await lists.stop()
        await consumption("inbox, one row, commit, acknowledge; 8 at once", consumer, handled, published)
        await latency(database, handled)
        for part in (consumer, relay, broker, database):
            await part.stop()


if __name__ == "__main__":
    parser = Parser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=count, default=20_000)
    parser.add_argument("--durable", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(arguments.events, durable=arguments.durable))
    if arguments.json:
        print(json.dumps(FOUND))
