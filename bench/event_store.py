"""The event store beside the `eventsourcing` library on the same PostgreSQL: events appended, replayed and read a second.

    python -m bench event_store [--events 20000] [--million] [--writers 16] [--rounds 2] [--json]

Both append the same events of an aggregate, each save in a transaction of its own, from as many writers (tasks here, threads
there), and load them again. The server runs without fsync, so that the code is measured and not the disk. The best of
the rounds counts. The comparison needs what `make setup` brings; without it only our own rates are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import uvloop

from atoll.contracts import Event
from atoll.data import (
    Aggregate,
    Connection,
    Database,
    EventStore,
    Projection,
    Stored,
    applies,
    load,
    migrate,
    projects_batch,
    save,
)
from atoll.service import Service
from atoll.testing import PostgresServer
from bench.comparison.arguments import Parser, count

BATCH = 100  # events in one save, where batches are measured
LONG = 10_000  # events of the stream that is replayed, unless there are fewer


class Opened(Event, subject="bench.opened", key="account"):
    account: str
    owner: str


class Moved(Event, subject="bench.moved", key="account"):
    account: str
    amount: int
    why: str


class Account(Aggregate[str], stream="account"):
    owner: str = ""
    balance: int = 0

    @classmethod
    def open(cls, owner: str) -> Account:
        account = cls(str(uuid4()))
        account.record(Opened(account.id, owner))
        return account

    def move(self, amount: int, why: str) -> None:
        self.record(Moved(self.id, amount, why))

    @applies(Opened)
    def _opened(self, event: Opened) -> None:
        self.owner = event.owner

    @applies(Moved)
    def _moved(self, event: Moved) -> None:
        self.balance += event.amount


@projects_batch(Opened, Moved)
async def tally(batch: Sequence[Stored[Any]], model: Connection) -> None:
    sums: dict[str, int] = {}
    for stored in batch:
        event = stored.event
        sums[event.account] = sums.get(event.account, 0) + (event.amount if isinstance(event, Moved) else 0)
    await model.execute(
        "INSERT INTO balances AS b (account, balance) SELECT * FROM unnest($1::text[], $2::bigint[]) "
        "ON CONFLICT (account) DO UPDATE SET balance = b.balance + excluded.balance",
        list(sums),
        list(sums.values()),
    )


class Ours:
    """Atoll's event store."""

    def __init__(self, url: str, writers: int) -> None:
        self._url = url
        self._database = Database(url, service="bench", max_size=writers)
        self._store = EventStore([Opened, Moved])

    def run(self, what: Callable[[], Awaitable[int]]) -> float:
        async def timed() -> float:
            await self._database.start()
            try:
                async with asyncio.TaskGroup() as group:  # connections are there before the time runs
                    for _ in range(4):
                        group.create_task(self._touch())
                begun = time.perf_counter()
                count = await what()
                return count / (time.perf_counter() - begun)
            finally:
                await self._database.stop()

        return uvloop.run(timed())

    def append(self, writers: int, saves: int, batch: int) -> float:
        async def write() -> None:
            account = Account.open("Ada")
            for _ in range(saves):
                for amount in range(batch):
                    account.move(amount, "a reason of some length")
                async with self._database.work() as work:
                    await save(work, account)

        async def all_of_them() -> int:
            await asyncio.gather(*(write() for _ in range(writers)))
            return writers * saves * batch

        return self.run(all_of_them)

    def replay(self, events: int) -> float:
        account = Account.open("Ada")

        async def fill() -> int:
            for start in range(0, events, 5_000):
                for amount in range(start, min(events, start + 5_000)):
                    account.move(amount, "a reason of some length")
                async with self._database.work() as work:
                    await save(work, account)
            return events

        async def read() -> int:
            async with self._database.work() as work:
                found = await load(work, Account, account.id)
            assert found.balance == account.balance
            return found.version

        self.run(fill)
        return self.run(read)

    def read_all(self) -> float:
        async def read() -> int:
            async with self._database.work() as work:
                return sum([1 async for _ in self._store.read_all(work)])

        return self.run(read)

    def rebuild(self) -> tuple[int, float]:
        async def read() -> int:
            projection = Projection(self._database, "balances", [tally], tables=["balances"])
            await projection.rebuild()
            async with self._database.connection() as connection:
                count: int = await connection.fetchval("SELECT count(*) FROM atoll.events")
            counted.append(count)
            return count

        counted: list[int] = []
        rate = self.run(read)
        return counted[0], rate

    async def _touch(self) -> None:
        async with self._database.work() as work:
            await work.execute("SELECT 1")


class Theirs:
    """The library `eventsourcing`, as its documentation uses it."""

    def __init__(self, url: str, writers: int) -> None:
        from eventsourcing.application import Application
        from eventsourcing.domain import Aggregate as TheirAggregate
        from eventsourcing.domain import event

        class TheirAccount(TheirAggregate):
            @event("Opened")
            def __init__(self, owner: str) -> None:
                self.owner = owner
                self.balance = 0

            @event("Moved")
            def move(self, amount: int, why: str) -> None:  # noqa: ARG002 - the event holds it
                self.balance += amount

        globals()["TheirAccount"] = TheirAccount  # it finds classes by their module and name
        for name, member in list(vars(TheirAccount).items()):
            if isinstance(member, type):
                member.__qualname__ = f"TheirAccount.{name}"
        TheirAccount.__qualname__ = "TheirAccount"
        place = urlsplit(url)
        self._kind = TheirAccount
        self._application: Application[Any] = Application(
            env={
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "POSTGRES_DBNAME": place.path[1:],
                "POSTGRES_HOST": str(place.hostname),
                "POSTGRES_PORT": str(place.port),
                "POSTGRES_USER": str(place.username),
                "POSTGRES_PASSWORD": str(place.password),
                "POSTGRES_POOL_SIZE": str(writers),
            }
        )

    def append(self, writers: int, saves: int, batch: int) -> float:
        def write() -> None:
            account = self._kind("Ada")
            for _ in range(saves):
                for amount in range(batch):
                    account.move(amount, "a reason of some length")
                self._application.save(account)

        write_warm = self._kind("Ada")
        self._application.save(write_warm)
        threads = [threading.Thread(target=write) for _ in range(writers)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return writers * saves * batch / (time.perf_counter() - begun)

    def replay(self, events: int) -> float:
        account = self._kind("Ada")
        for start in range(0, events, 5_000):
            for amount in range(start, min(events, start + 5_000)):
                account.move(amount, "a reason of some length")
            self._application.save(account)
        begun = time.perf_counter()
        found: Any = self._application.repository.get(account.id)
        assert found.balance == account.balance
        return events / (time.perf_counter() - begun)

    def read_all(self) -> float:
        begun = time.perf_counter()
        count = start = 0
        while True:
            page = self._application.recorder.select_notifications(start, 5_000, inclusive_of_start=False)
            for one in page:
                self._application.mapper.to_domain_event(one)
            count += len(page)
            if len(page) < 5_000:
                return count / (time.perf_counter() - begun)
            start = page[-1].id

    def close(self) -> None:
        self._application.close()


def measure(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    each = max(1, options.events // options.writers)
    cases: list[tuple[str, Callable[[Any], float]]] = [
        ("append, 1 writer, 1 event a save", lambda one: one.append(1, max(1, options.events // 10), 1)),
        (f"append, {options.writers} writers, 1 event a save", lambda one: one.append(options.writers, each, 1)),
        (f"append, 1 writer, {BATCH} events a save", lambda one: one.append(1, max(1, options.events // BATCH), BATCH)),
        (f"replay of one stream of {min(LONG, options.events):,}", lambda one: one.replay(min(LONG, options.events))),
        ("read of all events", lambda one: one.read_all()),
    ]
    with PostgresServer() as server:
        sides = _sides(server, options.writers)
        for _ in range(options.rounds):
            for name, case in cases:
                for side, one in sides.items():
                    rates = found.setdefault(name, {})
                    rates[side] = max(rates.get(side, 0.0), case(one))
        ours = sides["atoll"]
        if options.million:
            found["replay of one stream of 1,000,000"] = {"atoll": ours.replay(1_000_000)}
        count, rate = ours.rebuild()
        found[f"rebuild of a read model from {count:,}"] = {"atoll": rate}
        for one in sides.values():
            if isinstance(one, Theirs):
                one.close()
    return found


def _sides(server: PostgresServer, writers: int) -> dict[str, Any]:
    url = server.create_database()
    asyncio.run(_prepare(url))
    sides: dict[str, Any] = {"atoll": Ours(url, writers)}
    try:
        sides["eventsourcing"] = Theirs(server.create_database(), writers)
    except ImportError:
        print("eventsourcing is not installed, so there is nothing to compare with; make setup brings it")
    return sides


async def _prepare(url: str) -> None:
    await migrate(url, Service("bench"))
    database = Database(url, service="bench")
    await database.start()
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE balances (account text PRIMARY KEY, balance bigint NOT NULL)")
    await database.stop()


def main() -> None:
    """Measures and prints."""
    parser = Parser(description=__doc__)
    parser.add_argument("--events", type=count, default=10_000, help="events that each case appends")
    parser.add_argument(
        "--million", action="store_true", help="also replay one stream of 10^6 events, and rebuild from them"
    )
    parser.add_argument("--writers", type=count, default=16)
    parser.add_argument("--rounds", type=count, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; events a second")
    for name, rates in found.items():
        theirs = rates.get("eventsourcing")
        ratio = f"   eventsourcing {theirs:9,.0f}   {rates['atoll'] / theirs:5.1f} x" if theirs else ""
        print(f"{name:42} atoll {rates['atoll']:9,.0f}{ratio}")


if __name__ == "__main__":
    main()
