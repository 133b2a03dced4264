from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.messaging.conftest import (
    Counted,
    consumer_of,
    eventually,
    handled,
    ledger,
    publish,
    recorder,
)  # fmt: skip

from atoll.contracts.policies import ConsumerPolicy, EventPolicy
from atoll.data import Database, Work
from atoll.messaging import Broker, DeadLetters, Relay
from atoll.messaging.broker import partition_of
from atoll.service import Request, current_request


async def test_an_event_reaches_its_handler_once_in_the_unit_of_work(
    database: Database, broker: Broker, relay: Relay
) -> None:
    consumer = consumer_of(database, broker, recorder())
    await consumer.start()
    await publish(database, "a", 1, 2, 3)
    assert await handled(database, 3) == {"a": [1, 2, 3]}
    await consumer.stop()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM atoll.inbox") == 3


async def test_the_request_shows_subject_headers_and_is_current(
    database: Database, broker: Broker, relay: Relay
) -> None:
    seen: asyncio.Queue[tuple[Request, Request | None]] = asyncio.Queue()

    async def handle(request: Request) -> None:
        await seen.put((request, current_request.get()))

    consumer = consumer_of(database, broker, handle)
    await consumer.start()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with database.work() as work:
        await work.publish(Counted("a", 1), headers={"traceparent": trace})
    request, current = await asyncio.wait_for(seen.get(), 10)
    await consumer.stop()
    assert request is current
    assert request.name == "test.counted"
    assert request.message == Counted("a", 1)
    assert request.headers["traceparent"] == trace
    assert request.headers["message-source"].endswith("/test")
    assert 0 < request.remaining() <= 60


async def test_order_by_key_and_keys_in_parallel(database: Database, broker: Broker, relay: Relay) -> None:
    """Ten keys of one partition, each slow: they overlap, and each key's numbers stay in order."""
    keys = [key for key in (f"k{n}" for n in range(1000)) if partition_of(key, 8) == 0][:5]
    running, most = Counter[str](), 0

    async def slow(event: Counted) -> None:
        nonlocal most
        running[event.key] += 1
        assert running[event.key] == 1
        most = max(most, running.total())
        await asyncio.sleep(0.01)
        running[event.key] -= 1

    for n in range(8):
        for key in keys:
            await publish(database, key, n)
    consumer = consumer_of(database, broker, recorder(before=slow))
    await consumer.start()
    found = await handled(database, 40)
    await consumer.stop()
    assert found == {key: list(range(8)) for key in keys}
    assert most > 1


async def test_a_redelivered_message_has_no_second_effect(
    database: Database, broker: Broker, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between commit and acknowledgement: all come again to the next consumer, nothing happens twice."""
    from atoll.messaging.nats_subscription import NatsDelivery

    async def lose(self: NatsDelivery) -> None:
        return

    with monkeypatch.context() as patch:
        patch.setattr(NatsDelivery, "acknowledge", lose)
        first = consumer_of(database, broker, recorder("first"))
        await first.start()
        await publish(database, "a", *range(5))
        await handled(database, 5)
        await first.stop()
    second = consumer_of(database, broker, recorder("second"))
    await second.start()
    await publish(database, "a", 5)
    found = await handled(database, 6)
    await second.stop()
    assert found == {"a": [0, 1, 2, 3, 4, 5]}


async def test_a_failing_message_is_tried_three_times_then_parked_with_its_followers(
    database: Database, broker: Broker, relay: Relay
) -> None:
    tries = Counter[tuple[str, int]]()

    async def fail_first(event: Counted) -> None:
        tries[event.key, event.n] += 1
        if (event.key, event.n) == ("a", 0) and tries["a", 0] <= 4:
            raise ValueError("not yet")

    consumer = consumer_of(
        database, broker, recorder(before=fail_first), policy=ConsumerPolicy(event=EventPolicy(delays=(0.3, 0.3, 0.3)))
    )
    await consumer.start()
    await publish(database, "a", 0, 1, 2)
    await publish(database, "b", 0, 1, 2)
    found = await handled(database, 6)
    await consumer.stop()
    assert found == {"a": [0, 1, 2], "b": [0, 1, 2]}
    assert tries["a", 0] == 5  # three at once, one after the first delay, one after the second
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM atoll.parked") == 0


async def test_an_exhausted_message_becomes_a_dead_letter_and_its_followers_go_on(
    database: Database, broker: Broker, relay: Relay
) -> None:
    poisoned = True

    async def poison(event: Counted) -> None:
        if event.n == 0 and poisoned:
            raise ValueError("never")

    consumer = consumer_of(
        database, broker, recorder(before=poison), policy=ConsumerPolicy(event=EventPolicy(delays=(0.1, 0.1, 0.1)))
    )
    await consumer.start()
    await publish(database, "a", 0, 1, 2)
    assert await handled(database, 2) == {"a": [1, 2]}
    letters = DeadLetters(database)
    (letter,) = await letters.list()
    assert letter.error == "ValueError: never"
    assert "in poison" in letter.stack
    assert letter.attempts == 6
    assert letter.key == "a"
    assert letter.headers["message-id"] == letter.message_id
    poisoned = False
    assert await letters.redrive(letter.id) == 1
    assert await handled(database, 3) == {"a": [1, 2, 0]}
    assert await letters.list() == []
    await consumer.stop()


async def test_what_cannot_be_decoded_is_a_dead_letter_at_once_and_can_be_dropped(
    database: Database, broker: Broker
) -> None:
    consumer = consumer_of(database, broker, recorder())
    await consumer.start()
    await broker.publish("test.counted", "a", "one", b"no event at all")
    await broker.publish(
        "test.counted",
        "a",
        "two",
        b'{"specversion":"1.0","id":"x","source":"s","type":"test.counted","data":{"n":"no"}}',
    )
    letters = DeadLetters(database)

    async def both() -> bool:
        return len(await letters.list()) == 2

    await eventually(both)
    await consumer.stop()
    first, second = sorted(await letters.list(), key=lambda letter: letter.body)
    assert first.body == b"no event at all"
    assert first.headers == {}
    assert "n: expected int" in second.error or "key: is required" in second.error
    assert await letters.drop(first.id, second.id) == 2
    assert await letters.list() == []


async def test_unordered_consumers_park_only_what_fails(database: Database, broker: Broker, relay: Relay) -> None:
    async def poison(event: Counted) -> None:
        if event.n == 0:
            raise ValueError("never")

    consumer = consumer_of(
        database, broker, recorder(before=poison), policy=ConsumerPolicy(event=EventPolicy(ordered=False))
    )
    await consumer.start()
    await publish(database, "a", 0, 1, 2)
    found = await handled(database, 2)
    await consumer.stop()
    assert sorted(found["a"]) == [1, 2]


async def test_a_handler_that_hangs_is_ended(database: Database, broker: Broker, relay: Relay) -> None:
    hung = Counter[int]()

    async def hang(event: Counted) -> None:
        hung[event.n] += 1
        if event.n == 0 and hung[0] == 1:
            await asyncio.Event().wait()

    consumer = consumer_of(
        database, broker, recorder(before=hang), policy=ConsumerPolicy(event=EventPolicy(deadline=0.3))
    )
    await consumer.start()
    await publish(database, "a", 0, 1)
    assert await handled(database, 2) == {"a": [0, 1]}
    await consumer.stop()


async def test_stop_finishes_what_runs_and_leaves_the_rest(database: Database, broker: Broker, relay: Relay) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def hold(event: Counted) -> None:
        begun.set()
        await go.wait()

    first = consumer_of(database, broker, recorder(before=hold))
    await first.start()
    await publish(database, "a", 0, 1, 2)
    await asyncio.wait_for(begun.wait(), 10)
    stopping = asyncio.create_task(first.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    go.set()
    await asyncio.wait_for(stopping, 5)
    assert await ledger(database) == {"a": [0]}
    second = consumer_of(database, broker, recorder())
    await second.start()
    assert await handled(database, 3) == {"a": [0, 1, 2]}
    await second.stop()


async def test_instances_share_the_partitions_and_keep_order_while_they_come_and_go(
    database: Database, database_url: str, broker: Broker, relay: Relay
) -> None:
    databases = [Database(database_url, service="test", source=f"test-{n}") for n in range(3)]
    for one in databases:
        await one.start()
    consumers = [consumer_of(one, broker, recorder(f"i{n}")) for n, one in enumerate(databases)]

    async def shares(*expected: int) -> None:
        async def so() -> bool:
            return sorted(len(consumer.partitions) for consumer in consumers) == sorted(expected)

        await eventually(so)

    keys = [f"key{n}" for n in range(12)]

    async def produce() -> None:
        for n in range(40):
            async with database.work() as work:
                for key in keys:
                    await work.publish(Counted(key, n))
            await asyncio.sleep(0.02)

    await consumers[0].start()
    await shares(8, 0, 0)
    producing = asyncio.create_task(produce())
    await consumers[1].start()
    await shares(4, 4, 0)
    await consumers[2].start()
    await shares(3, 3, 2)
    await consumers[0].stop()
    await shares(4, 4, 0)
    await producing
    found = await handled(database, 480)
    assert found == {key: list(range(40)) for key in keys}
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(DISTINCT who) FROM ledger") >= 2
    for consumer, one in zip(consumers, databases, strict=True):
        await consumer.stop()
        await one.stop()


async def test_the_same_event_twice_in_the_broker_is_handled_once(
    database: Database, broker: Broker, relay: Relay
) -> None:
    """A redrive of the outbox gets past the broker's dedupe window; the inbox knows the events."""
    from datetime import UTC, datetime, timedelta

    from atoll.data import Outbox

    consumer = consumer_of(database, broker, recorder())
    await consumer.start()
    await publish(database, "a", 0, 1)
    await handled(database, 2)
    now = datetime.now(UTC)
    assert await Outbox(database).redrive(now - timedelta(hours=1), now + timedelta(hours=1)) == 2
    await publish(database, "a", 2)
    assert await handled(database, 3) == {"a": [0, 1, 2]}
    await consumer.stop()


async def test_work_of_the_handler_publishes_in_the_same_transaction(
    database: Database, broker: Broker, relay: Relay
) -> None:
    async def echo(request: Request) -> None:
        event: Counted = request.message
        work: Work = request.scope[Work]
        await work.execute("INSERT INTO ledger (key, n) VALUES ($1, $2)", event.key, event.n)
        if event.n < 3:
            await work.publish(Counted(event.key, event.n + 1))

    consumer = consumer_of(database, broker, echo)
    await consumer.start()
    await publish(database, "a", 0)
    assert await handled(database, 4) == {"a": [0, 1, 2, 3]}
    await consumer.stop()
