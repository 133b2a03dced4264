from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest
from tests.messaging.conftest import Counted, consumer_of, eventually, publish, sql

from atoll.data import Database, Outbox
from atoll.messaging import Relay
from atoll.messaging.broker import BrokerUnavailable
from atoll.messaging.memory import MemoryBroker
from atoll.service import Request, current_request
from atoll.service.baggage import baggage, carrying


class Recording(MemoryBroker):
    """Keeps every message that it acknowledged, in order; fails as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, object]] = []
        self.ids: list[str] = []
        self.failing: set[object] = set()
        self.gate: asyncio.Event | None = None

    async def publish(self, subject: str, key: str, message_id: str, body: bytes) -> None:
        event = msgspec.json.decode(body)
        if self.gate is not None:
            await self.gate.wait()
        if event["data"]["n"] in self.failing:
            raise BrokerUnavailable("told to fail")
        await super().publish(subject, key, message_id, body)
        self.events.append(event)
        self.ids.append(message_id)

    def numbers(self, key: str) -> list[int]:
        return [event["data"]["n"] for event in self.events if event["subject"] == key]  # type: ignore[index]

    async def holds(self, count: int, *, within: float = 10.0) -> None:
        async def enough() -> bool:
            return len(self.events) >= count

        await eventually(enough, within=within)


@pytest.fixture
def memory() -> Recording:
    return Recording()


@pytest.fixture
async def relays(database: Database, memory: Recording) -> AsyncIterator[Sequence[Relay]]:
    made = [Relay(database, memory, system="shop", service="orders") for _ in range(2)]
    yield made
    for relay in made:
        await relay.stop()


async def test_publishes_cloud_events(database: Database, memory: Recording, relays: Sequence[Relay]) -> None:
    await relays[0].start()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with database.work() as work:
        await work.publish(Counted("a", 7), headers={"traceparent": trace, "x-other": "stays here"})
    await memory.holds(1)
    (event,) = memory.events
    assert datetime.fromisoformat(str(event.pop("time"))).tzinfo is not None
    assert event.pop("id") == memory.ids[0]
    assert event == {
        "specversion": "1.0",
        "source": "/shop/orders",
        "type": "test.counted",
        "subject": "a",
        "datacontenttype": "application/json",
        "partitionkey": "a",
        "eventversion": 1,
        "traceparent": trace,
        "data": {"key": "a", "n": 7},
    }


async def test_baggage_goes_through_the_outbox_to_the_handler(
    database: Database, memory: Recording, relays: Sequence[Relay]
) -> None:
    came: list[dict[str, str]] = []

    async def handle(_: Request) -> None:
        came.append(baggage())

    await relays[0].start()
    consumer = consumer_of(database, memory, handle)
    await consumer.start()
    token = current_request.set(Request("orders.place", None, headers={"baggage": "tenant=acme"}))
    async with database.work() as work:
        await work.publish(Counted("a", 1))
        with carrying(campaign="autumn"):
            await work.publish(Counted("a", 2))
    current_request.reset(token)

    async def both() -> bool:
        return len(came) == 2

    await eventually(both)
    await consumer.stop()
    assert came == [{"tenant": "acme"}, {"tenant": "acme", "campaign": "autumn"}]


async def test_what_is_rolled_back_is_not_published(
    database: Database, memory: Recording, relays: Sequence[Relay]
) -> None:
    await relays[0].start()
    with pytest.raises(ZeroDivisionError):
        async with database.work() as work:
            await work.publish(Counted("a", 0))
            raise ZeroDivisionError
    await publish(database, "a", 1)
    await memory.holds(1)
    assert memory.numbers("a") == [1]


async def test_wakes_on_commit(database: Database, memory: Recording, relays: Sequence[Relay]) -> None:
    await relays[0].start()
    await publish(database, "a", 0)
    await memory.holds(1)
    took = []
    for n in range(1, 6):
        started = time.monotonic()
        await publish(database, "a", n)
        await memory.holds(n + 1)
        took.append(time.monotonic() - started)
    assert sorted(took)[2] < 0.1  # the timer alone would take half a second


async def test_a_commit_of_another_instance_wakes_it(
    database: Database, database_url: str, memory: Recording, relays: Sequence[Relay]
) -> None:
    await relays[0].start()
    await publish(database, "a", 0)
    await memory.holds(1)
    other = Database(database_url, service="test", source="other")
    await other.start()
    standby = Relay(other, memory, system="shop", service="orders")
    await standby.start()
    took = []
    for n in range(1, 6):
        started = time.monotonic()
        await publish(other, "a", n)
        await memory.holds(n + 1)
        took.append(time.monotonic() - started)
    await standby.stop()
    await other.stop()
    assert sorted(took)[2] < 0.2


async def test_a_transaction_that_commits_late_is_not_skipped(
    database: Database, memory: Recording, relays: Sequence[Relay]
) -> None:
    """Its position is lower than those that are published meanwhile; a cursor by position alone would lose it."""
    await relays[0].start()
    task = asyncio.create_task(_hold_open(database, begun := asyncio.Event(), go := asyncio.Event()))
    await begun.wait()
    await publish(database, "b", 1, 2, 3)
    await asyncio.sleep(0.3)  # time in which a relay that does not wait would pass by
    go.set()
    await task
    await memory.holds(4)
    assert memory.numbers("late") == [0]
    assert memory.numbers("b") == [1, 2, 3]


async def _hold_open(database: Database, begun: asyncio.Event, go: asyncio.Event) -> None:
    async with database.work() as work:
        from atoll.data.deferred import WRITE, columns, of_outbox
        from atoll.data.outbox import outgoing

        await work.execute(WRITE, *columns([of_outbox(outgoing(Counted("late", 0), None, None))]))
        begun.set()
        await go.wait()


async def test_who_waited_for_a_row_is_published_behind_who_held_it(
    database: Database, memory: Recording, relays: Sequence[Relay]
) -> None:
    """The waiting transaction began first, so its transaction id is lower; its event is still the later one of the key."""
    async with database.work() as work:
        await work.execute("INSERT INTO ledger (key, n) VALUES ('a', 0)")
    early = database.work()
    release = asyncio.Event()
    began = asyncio.Event()
    third_began = asyncio.Event()

    async def waits() -> None:
        async with early as work:
            await work.execute("INSERT INTO ledger (key, n) VALUES ('other', 0)")  # takes a transaction id
            began.set()
            await release.wait()
            await work.execute("UPDATE ledger SET n = n + 1 WHERE key = 'a'")
            await work.publish(Counted("a", 2))

    async def in_between() -> None:
        """Began between the two, and keeps the second one's row unsettled for a while."""
        async with database.work() as work:
            await work.execute("INSERT INTO ledger (key, n) VALUES ('third', 0)")
            third_began.set()
            await held.wait()

    held = asyncio.Event()
    first = asyncio.create_task(waits())
    await began.wait()
    third = asyncio.create_task(in_between())
    await third_began.wait()
    async with database.work() as work:
        await work.execute("UPDATE ledger SET n = n + 1 WHERE key = 'a'")
        await work.publish(Counted("a", 1))
    release.set()
    await first
    await relays[0].start()
    await asyncio.sleep(0.3)
    assert memory.events == []
    held.set()
    await third
    await memory.holds(2)
    assert memory.numbers("a") == [1, 2]


async def test_one_failing_publish_holds_back_its_key_alone(
    database: Database, memory: Recording, relays: Sequence[Relay]
) -> None:
    memory.failing.add(100)
    await publish(database, "a", 1, 100, 2, 3)
    await publish(database, "b", 10, 11)
    await relays[0].start()
    await memory.holds(3)
    assert memory.numbers("a") == [1]
    assert memory.numbers("b") == [10, 11]
    memory.failing.clear()
    await memory.holds(6)
    assert memory.numbers("a") == [1, 100, 2, 3]


async def test_a_broker_that_is_away_loses_nothing(
    database: Database, memory: Recording, relays: Sequence[Relay]
) -> None:
    memory.away = True
    await relays[0].start()
    await publish(database, "a", *range(20))
    await asyncio.sleep(0.2)
    status = await Outbox(database).status()
    assert status.pending == 20
    assert status.lag > 0.1
    memory.away = False
    await memory.holds(20)
    assert memory.numbers("a") == list(range(20))

    async def caught_up() -> bool:
        return (await Outbox(database).status()).pending == 0

    await eventually(caught_up)


async def test_one_relay_at_a_time_and_the_next_takes_over_at_once(
    database: Database, database_url: str, memory: Recording, relays: Sequence[Relay]
) -> None:
    for relay in relays:
        await relay.start()
    await publish(database, "a", 0)
    await memory.holds(1)
    assert sum(relay._leading for relay in relays) == 1
    started = time.monotonic()
    await sql(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )

    async def led() -> bool:
        return sum(relay._leading for relay in relays) == 1

    await publish(database, "a", 1, 2)
    await memory.holds(3)
    await eventually(led)
    assert time.monotonic() - started < 3
    assert memory.numbers("a") == [0, 1, 2]


async def test_a_crash_between_publish_and_mark_publishes_again_under_the_same_id(
    database: Database, database_url: str, memory: Recording, relays: Sequence[Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    from atoll.messaging import relay as module

    crashed = asyncio.Event()

    async def crash(*_: object) -> None:
        crashed.set()
        await asyncio.Event().wait()

    await publish(database, "a", 0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(module, "move_cursor", crash)
        await relays[0].start()
        await asyncio.wait_for(crashed.wait(), 10)
        for task in relays[0]._tasks:
            task.cancel()
        await asyncio.gather(*relays[0]._tasks, return_exceptions=True)
    await relays[1].start()
    await memory.holds(4)
    assert memory.ids[:2] == memory.ids[2:]
    assert [len(log) for log in memory._logs if log] == [2]  # the broker kept each once


async def test_two_relays_publish_each_event_once(
    database: Database, memory: Recording, relays: Sequence[Relay]
) -> None:
    for relay in relays:
        await relay.start()
    await asyncio.gather(*(publish(database, f"k{n}", *range(20)) for n in range(5)))
    await memory.holds(100)
    assert len(memory.events) == 100
    for n in range(5):
        assert memory.numbers(f"k{n}") == list(range(20))


async def test_a_redrive_publishes_again_under_new_delivery_ids(
    database: Database, memory: Recording, relays: Sequence[Relay]
) -> None:
    await relays[0].start()
    await publish(database, "a", 0, 1, 2)
    await memory.holds(3)
    now = datetime.now(UTC)
    for times in (2, 3):
        await Outbox(database).redrive(now - timedelta(hours=1), now + timedelta(hours=1))
        await memory.holds(3 * times)
    assert memory.numbers("a") == [0, 1, 2] * 3
    assert len(set(memory.ids)) == len(memory.ids)
    assert len({event["id"] for event in memory.events}) == 3


async def test_a_database_restored_into_another_cluster_is_published_on(
    database: Database, database_url: str, memory: Recording, relays: Sequence[Relay]
) -> None:
    await publish(database, "a", 0, 1)
    await sql(database_url, "UPDATE atoll.outbox SET fence = '900000000000'")
    await sql(database_url, "UPDATE atoll.relay SET fence = '900000000000', position = 1")
    await publish(database, "a", 2)
    await relays[0].start()
    await memory.holds(2)
    assert memory.numbers("a") == [1, 2]


async def test_retention_removes_what_is_old_and_published(
    database: Database, database_url: str, memory: Recording, relays: Sequence[Relay]
) -> None:
    await publish(database, "a", 0, 1)
    await relays[0].start()
    await memory.holds(2)
    await relays[0].stop()
    await publish(database, "a", 2)
    await sql(database_url, "UPDATE atoll.outbox SET written_at = now() - interval '4 days'")
    assert await database._retention.remove() == 2
    (row,) = await sql(database_url, "SELECT data FROM atoll.outbox")
    assert msgspec.json.decode(row["data"]) == {"key": "a", "n": 2}


async def test_the_wake_up_is_no_part_of_the_transaction(database: Database, database_url: str) -> None:
    """NOTIFY inside of the transaction would make PostgreSQL commit one after the other."""
    connection = await asyncpg.connect(database_url)
    heard: list[object] = []
    await connection.add_listener("atoll_outbox", lambda *args: heard.append(args))
    await publish(database, "a", 0)
    await connection.execute("SELECT 1")
    await connection.close()
    assert heard == []


async def test_status_tells_what_waits_for_how_long_and_why(
    database: Database, memory: Recording, relays: Sequence[Relay]
) -> None:
    outbox = Outbox(database)
    empty = await outbox.status()
    assert (empty.pending, empty.lag, empty.held, empty.published_at) == (0, 0.0, 0.0, None)
    task = asyncio.create_task(_hold_open(database, begun := asyncio.Event(), go := asyncio.Event()))
    await begun.wait()
    await publish(database, "b", 1, 2)
    await asyncio.sleep(0.05)
    waiting = await outbox.status()
    assert waiting.pending == 2
    assert waiting.lag >= 0.05
    assert waiting.held >= waiting.lag
    go.set()
    await task
    assert (await outbox.status()).held == 0.0
    await relays[0].start()

    async def published() -> bool:
        return (await outbox.status()).pending == 0

    await eventually(published)
    assert (await outbox.status()).published_at is not None


async def test_stored_events_that_nobody_else_hears_wake_no_relay(database_url: str, memory: Recording) -> None:
    from atoll.data import EventStore

    database = Database(database_url, service="test", publishes=[])
    await database.start()
    woken: list[str] = []
    database.on_outbox(lambda: woken.append("relay"))
    database.on_append(lambda: woken.append("projection"))
    async with database.work() as work:
        await EventStore([Counted]).append(work, "counted-1", [Counted("a", 1)], expected=0)
    await database.stop()
    assert woken == ["projection"]
