"""Each defence of relay and consumer by itself: a test that fails, and does not hang, when the defence is taken out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import pytest
from tests.messaging.conftest import Counted, consumer_of, eventually, handled, ledger, publish, recorder, sql

from atoll.contracts.policies import ConsumerPolicy, EventPolicy
from atoll.data import Database
from atoll.data.retention import Retention
from atoll.messaging import Consumer, Relay, pump
from atoll.messaging.broker import KEEP_DAYS, Delivery
from atoll.messaging.memory import MemoryBroker, MemorySubscription

SOON = 5.0  # seconds for what happens at once
LEASES = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
Told = Callable[[Delivery], Awaitable[None]]


class Overheard(MemoryBroker):
    """Tells what a consumer does with its deliveries, before it is done."""

    def __init__(self, *, acknowledged: Told | None = None, extended: Told | None = None) -> None:
        super().__init__()
        self._told = acknowledged, extended

    async def subscribe(self, group: str, subjects: Sequence[str], partition: int) -> MemorySubscription:
        found = await super().subscribe(group, subjects, partition)
        fetch = found.fetch

        async def fetch_overheard(limit: int, wait: float) -> list[OverheardDelivery]:
            return [OverheardDelivery(one, *self._told) for one in await fetch(limit, wait)]

        found.fetch = fetch_overheard  # type: ignore[method-assign,assignment]
        return found


class OverheardDelivery:
    """One message."""

    def __init__(self, inner: Delivery, acknowledged: Told | None, extended: Told | None) -> None:
        self._inner, self._acknowledged, self._extended = inner, acknowledged, extended
        self.subject, self.body, self.sequence = inner.subject, inner.body, inner.sequence

    async def acknowledge(self) -> None:
        if self._acknowledged is not None:
            await self._acknowledged(self._inner)
        await self._inner.acknowledge()

    async def extend(self) -> None:
        if self._extended is not None:
            await self._extended(self._inner)


class Gated(MemoryBroker):
    """Publishes when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.cancelled, self.gate = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def publish(self, subject: str, key: str, message_id: str, body: bytes) -> None:
        self.entered.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        await super().publish(subject, key, message_id, body)


@pytest.fixture
async def run(database: Database) -> AsyncIterator[Callable[..., Awaitable[Consumer]]]:
    """Starts a consumer with what feeds it; stops it in the end."""
    parts: list[Relay | Consumer] = []

    async def start(broker: MemoryBroker, handler: object, **options: object) -> Consumer:
        consumer = consumer_of(database, broker, handler, **options)  # type: ignore[arg-type]
        parts.extend((consumer, Relay(database, broker, system="s", service="test")))
        for part in parts:
            await part.start()
        return consumer

    yield start
    for part in parts:
        await part.stop()


async def test_a_message_is_acknowledged_after_its_handler_has_committed(
    database: Database, run: Callable[..., Awaitable[Consumer]]
) -> None:
    committed: list[int] = []

    async def look(delivery: Delivery) -> None:
        committed.append(sum(map(len, (await ledger(database)).values())))

    await run(Overheard(acknowledged=look), recorder())
    await publish(database, "a", 1, 2, 3)
    await handled(database, 3, within=SOON)

    async def all_looked() -> bool:
        return len(committed) == 3

    await eventually(all_looked, within=SOON)
    assert committed == [1, 2, 3]


async def test_a_parked_message_that_was_handled_elsewhere_is_not_handled_again(
    database: Database, run: Callable[..., Awaitable[Consumer]]
) -> None:
    """A holder of the partition that had lost it commits late, after the next one has parked the message."""
    failing = True

    async def fail(event: Counted) -> None:
        if event.n == 0 and failing:
            raise ValueError("not yet")

    await run(MemoryBroker(), recorder(before=fail), policy=ConsumerPolicy(event=EventPolicy(delays=(3600.0,))))
    await publish(database, "a", 0)
    await eventually(lambda: _parked(database, 1), within=SOON)
    failing = False
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO atoll.inbox (consumer, message_id) SELECT consumer, message_id FROM atoll.parked"
        )
        await connection.execute("UPDATE atoll.parked SET due = now()")
    await eventually(lambda: _parked(database, 0), within=SOON)
    assert await ledger(database) == {}


async def test_a_message_that_was_parked_and_handled_is_known_when_it_comes_again(
    database: Database, run: Callable[..., Awaitable[Consumer]]
) -> None:
    tries = 0

    async def fail(event: Counted) -> None:
        nonlocal tries
        tries += event.n == 0
        if event.n == 0 and tries <= 3:
            raise ValueError("not yet")

    broker = MemoryBroker()
    await run(broker, recorder(before=fail), policy=ConsumerPolicy(event=EventPolicy(delays=(0.05,))))
    await publish(database, "a", 0)
    await handled(database, 1, within=SOON)
    (body,) = [stored.body for log in broker._logs for stored in log]
    await broker.publish("test.counted", "a", "the same once more", body)
    await publish(database, "a", 1)
    assert await handled(database, 2, within=SOON) == {"a": [0, 1]}


async def test_a_long_handler_keeps_its_message(
    database: Database, run: Callable[..., Awaitable[Consumer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "EXTEND_EVERY", 0.05)
    twice, seen = asyncio.Event(), 0

    async def note(delivery: Delivery) -> None:
        nonlocal seen
        seen += 1
        if seen == 2:
            twice.set()

    async def long(event: Counted) -> None:
        await asyncio.wait_for(twice.wait(), SOON)

    await run(Overheard(extended=note), recorder(before=long))
    await publish(database, "a", 0)
    assert await handled(database, 1, within=SOON) == {"a": [0]}


async def test_the_cursor_moves_when_the_broker_has_acknowledged(database: Database) -> None:
    broker = Gated()
    relay = Relay(database, broker, system="s", service="test")
    before = await _cursor(database)
    await relay.start()
    await publish(database, "a", 0)
    await asyncio.wait_for(broker.entered.wait(), SOON)
    while_publishing = await _cursor(database)
    broker.gate.set()

    async def moved() -> bool:
        return await _cursor(database) != before

    await eventually(moved, within=SOON)
    await relay.stop()
    assert while_publishing == before


async def test_a_relay_that_lost_its_lease_publishes_no_more(database: Database, database_url: str) -> None:
    """Its successor may be publishing the same rows, and later ones of the same keys."""
    broker = Gated()
    relay = Relay(database, broker, system="s", service="test")
    await relay.start()
    await publish(database, "a", 0)
    await asyncio.wait_for(broker.entered.wait(), SOON)
    await sql(database_url, LEASES)
    try:
        await asyncio.wait_for(broker.cancelled.wait(), SOON)
    finally:
        broker.gate.set()
        await relay.stop()


async def _parked(database: Database, count: int) -> bool:
    async with database.connection() as connection:
        found: int = await connection.fetchval("SELECT count(*) FROM atoll.parked")
    return found == count


async def _cursor(database: Database) -> tuple[int, int]:
    async with database.connection() as connection:
        row = await connection.fetchrow("SELECT fence, position FROM atoll.relay")
    assert row is not None
    return row["fence"], row["position"]


async def test_the_inbox_remembers_longer_than_a_broker_keeps_messages(database: Database) -> None:
    async with database.connection() as connection:
        for days in (1, KEEP_DAYS, KEEP_DAYS + 2):
            await connection.execute(
                "INSERT INTO atoll.inbox (consumer, message_id, handled_at) VALUES ('test', $1, now() - $2::interval)",
                str(days),
                timedelta(days=days, minutes=5),
            )
    await Retention(database).remove()
    async with database.connection() as connection:
        kept = await connection.fetch("SELECT message_id FROM atoll.inbox ORDER BY message_id")
    assert [row["message_id"] for row in kept] == ["1", str(KEEP_DAYS)]
