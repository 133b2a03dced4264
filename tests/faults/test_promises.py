"""Promises of outbox and inbox that need a broker which watches, or twins at the same moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.messaging.conftest import Counted, consumer_of, eventually, handled, ledger, publish, recorder

from atoll.contracts.policies import ConsumerPolicy, EventPolicy
from atoll.data import Database, Outbox
from atoll.data.deferred import WRITE, columns, of_outbox
from atoll.data.outbox import Cursor, outgoing, read_after
from atoll.messaging import DeadLetters, Relay, parking, pump
from atoll.messaging.envelope import Envelope, encode_envelope
from atoll.messaging.handling import Handling
from atoll.messaging.incoming import Failure, Routes
from atoll.messaging.memory import MemoryBroker, MemoryDelivery


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, service="test", max_size=16)
    await database.start()
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE ledger (seq bigserial, key text, n int, who text)")
    yield database
    await database.stop()


def message(key: str, n: int, *, id_: str = "") -> bytes:
    """A message of another service."""
    data = msgspec.Raw(msgspec.json.encode(Counted(key, n)))
    return encode_envelope(
        Envelope(
            id=id_ or f"{key}-{n}", source="/s/other", type="test.counted", subject=key, partitionkey=key, data=data
        )
    )


async def test_a_message_is_acknowledged_after_the_commit_only(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    acknowledge = MemoryDelivery.acknowledge

    async def watched(self: MemoryDelivery) -> None:
        async with database.connection() as connection:
            count = await connection.fetchval("SELECT count(*) FROM ledger")
        seen.append(f"{count} committed")
        await acknowledge(self)

    monkeypatch.setattr(MemoryDelivery, "acknowledge", watched)
    broker = MemoryBroker()
    consumer = consumer_of(database, broker, recorder())
    await consumer.start()
    await broker.publish("test.counted", "a", "1", message("a", 1))

    async def acknowledged() -> bool:
        return bool(seen)

    await eventually(acknowledged)
    await handled(database, 1)
    await consumer.stop()
    assert seen == ["1 committed"]


async def test_a_long_handler_extends_its_wait(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    extended = asyncio.Event()

    async def extend(self: MemoryDelivery) -> None:
        extended.set()

    async def wait(event: Counted) -> None:
        await asyncio.wait_for(extended.wait(), 3)

    monkeypatch.setattr(MemoryDelivery, "extend", extend)
    monkeypatch.setattr(pump, "EXTEND_EVERY", 0.05)
    broker = MemoryBroker()
    consumer = consumer_of(database, broker, recorder(before=wait))
    await consumer.start()
    await broker.publish("test.counted", "a", "1", message("a", 1))
    assert await handled(database, 1, within=2.5) == {"a": [1]}
    await consumer.stop()


async def test_a_parked_message_that_was_handled_elsewhere_is_not_handled_again(database: Database) -> None:
    """A zombie's commit: the message waits parked here, and its inbox row is there already."""
    routes = Routes({Counted: recorder()})
    handling = Handling(database, routes, consumer="test")
    incoming = routes.read("test.counted", 0, message("a", 1))
    async with database.work() as work:
        await parking.park(work, "test", incoming.message, parking_failure(), 0.0)
    async with database.work() as work:
        await work.execute("INSERT INTO atoll.inbox (consumer, message_id) VALUES ('test', 'a-1')")
        await work.execute("INSERT INTO ledger (key, n) VALUES ('a', 1)")
        seq = await work.fetchval("SELECT seq FROM atoll.parked")
    await handling.parked(seq)
    assert await ledger(database) == {"a": [1]}


FAST = ConsumerPolicy(event=EventPolicy(delays=(0.1, 0.1, 0.1)))


def parking_failure() -> Failure:
    return Failure(3, "ValueError", "")


async def test_the_database_being_away_costs_no_attempts(database: Database) -> None:
    tries = Counter[int]()

    async def away(event: Counted) -> None:
        from atoll.data import DatabaseUnavailable

        tries[event.n] += 1
        if tries[event.n] <= 5:
            raise DatabaseUnavailable("away")

    routes = Routes({Counted: recorder(before=away)})
    await Handling(database, routes, consumer="test").live(routes.read("test.counted", 0, message("a", 1)))
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM atoll.parked") == 0
    assert await ledger(database) == {"a": [1]}


async def test_two_services_on_one_broker_lose_nothing_to_its_dedupe(database: Database, database_url: str) -> None:
    """Their rows have the same numbers, so an id made of a number would vanish."""
    broker = MemoryBroker()
    relays = [Relay(database, broker, system="s", service=name) for name in ("orders", "payments")]
    for n, relay in enumerate(relays):
        async with database.connection() as connection:  # as if it were another database: the numbers begin again
            await connection.execute("TRUNCATE atoll.outbox RESTART IDENTITY")
            await connection.execute("UPDATE atoll.relay SET fence = '0', position = 0")
        await publish(database, "a", n)
        await relay.start()

        async def published() -> bool:
            return (await Outbox(database).status()).pending == 0

        await eventually(published)
        await relay.stop()
    assert [len(log) for log in broker._logs if log] == [2]


async def test_a_relay_that_ends_before_the_broker_answered_has_marked_nothing(database: Database) -> None:
    broker = MemoryBroker()
    broker.away = True
    first, second = (Relay(database, broker, system="s", service="test") for _ in range(2))
    await publish(database, "a", 0, 1)
    await first.start()

    async def leads() -> bool:
        return first._leading

    await eventually(leads)
    await asyncio.sleep(0.2)  # time in which it tries to publish
    for task in first._tasks:
        task.cancel()
    await asyncio.gather(*first._tasks, return_exceptions=True)
    broker.away = False
    await second.start()

    async def published() -> bool:
        return sum(map(len, broker._logs)) == 2

    try:
        await eventually(published, within=5)
    finally:
        await second.stop()


async def test_a_cursor_by_number_alone_would_skip(database: Database, database_url: str) -> None:
    """Two transactions take numbers in one order and ids in the other; the later number is published first."""
    other = Database(database_url, service="test", source="other")
    await other.start()
    began, first_may_end = asyncio.Event(), asyncio.Event()

    async def low_number() -> None:
        """The number now, the fence of a transaction that ends last."""
        await older_has_id.wait()
        async with other.work() as work:
            await work.execute(WRITE, *columns([of_outbox(outgoing(Counted("low", 0), None, None))]))
            began.set()
            await first_may_end.wait()

    older_has_id = asyncio.Event()
    task = asyncio.create_task(low_number())
    try:
        async with database.work() as work:
            await work.execute("SELECT pg_current_xact_id()")
            older_has_id.set()
            await began.wait()
            # A fence below that of the transaction that has the lower number: what an older writer gets on a quiet server.
            await work.execute(
                "INSERT INTO atoll.outbox (fence, id, subject, version, key, data) VALUES "
                "(pg_current_xact_id(), gen_random_uuid(), 'test.counted', 1, 'high', '{\"key\": \"high\", \"n\": 1}')"
            )
        cursor, seen = Cursor(0, 0), []
        for _ in range(2):
            async with database.connection() as connection:
                for row in await read_after(connection, cursor, 10):
                    if row["settled"]:
                        seen.append(row["key"])
                        cursor = Cursor(row["fence"], row["position"])
            first_may_end.set()
            await task
        assert seen == ["high", "low"]
    finally:
        first_may_end.set()
        await task
        await other.stop()


async def test_one_message_at_eight_consumers_at_once_takes_effect_once_500_times(database: Database) -> None:
    routes = Routes({Counted: recorder()})
    consumers = [Handling(database, routes, consumer="test") for _ in range(8)]
    for n in range(500):
        incoming = routes.read("test.counted", 0, message("a", n))
        await asyncio.gather(*(consumer.live(incoming) for consumer in consumers))
    assert await ledger(database) == {"a": list(range(500))}


async def test_one_percent_of_poison_stops_nothing_else(database: Database) -> None:
    async def poison(event: Counted) -> None:
        if event.n % 100 == 50:
            raise ValueError("poison")

    broker, letters = MemoryBroker(), DeadLetters(database)
    consumer = consumer_of(database, broker, recorder(before=poison), policy=FAST)
    await consumer.start()
    for n in range(1000):
        await broker.publish("test.counted", f"k{n % 7}", str(n), message(f"k{n % 7}", n))

    async def all_dead() -> bool:
        return len(await letters.list()) == 10

    await eventually(all_dead, within=60)
    found = await handled(database, 990, within=60)
    await consumer.stop()
    assert found == {f"k{k}": [n for n in range(k, 1000, 7) if n % 100 != 50] for k in range(7)}
    dead = [msgspec.json.decode(letter.body)["data"]["n"] for letter in await letters.list()]
    assert sorted(dead) == list(range(50, 1000, 100))


async def test_a_parked_message_holds_back_its_key_alone(database: Database) -> None:
    async def poison(event: Counted) -> None:
        if event.n == 0:
            raise ValueError("poison")

    broker, policy = MemoryBroker(), ConsumerPolicy(event=EventPolicy(delays=(3600.0,)))
    consumer = consumer_of(database, broker, recorder(before=poison), policy=policy)
    await consumer.start()
    await broker.publish("test.counted", "a", "0", message("a", 0))

    async def parked() -> bool:
        async with database.connection() as connection:
            return bool(await connection.fetchval("SELECT count(*) FROM atoll.parked"))

    await eventually(parked)
    for n, key in enumerate("abc", start=1):
        await broker.publish("test.counted", key, str(n), message(key, n))
    assert await handled(database, 2) == {"b": [2], "c": [3]}
    await consumer.stop()
