"""What a consumer's policy says holds: time limits, delays, bounds, windows; and a pause reaches all instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from tests.messaging.conftest import Counted, consumer_of, eventually, handled, ledger, publish, recorder

from atoll.contracts import Event, NotFound
from atoll.contracts.policies import ConsumerPolicy, EventPolicy, PolicyError, RetryPolicy
from atoll.data import Database
from atoll.messaging import Broker, Consumers, DeadLetters, Relay
from atoll.messaging.memory import MemoryBroker


@pytest.fixture
async def memory(database: Database) -> AsyncIterator[MemoryBroker]:
    """A broker that gets what the outbox holds."""
    broker = MemoryBroker(partitions=1)
    relay = Relay(database, broker, system="s", service="test")
    await relay.start()
    yield broker
    await relay.stop()


def policy(**event: object) -> ConsumerPolicy:
    return ConsumerPolicy(event=EventPolicy(**event))  # type: ignore[arg-type]


async def test_a_handler_that_never_returns_is_cancelled_tried_again_and_becomes_a_dead_letter_that_says_so(
    database: Database, memory: MemoryBroker
) -> None:
    cancelled = 0

    async def hang(event: Counted) -> None:
        nonlocal cancelled
        if event.n == 0:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled += 1
                raise

    limits = policy(deadline=0.1, retry=RetryPolicy(attempts=2), delays=(0.05,))
    consumer = consumer_of(database, memory, recorder(before=hang), policy=limits)
    await consumer.start()
    await publish(database, "a", 0, 1)
    assert await handled(database, 1) == {"a": [1]}
    await consumer.stop()
    (letter,) = await DeadLetters(database).list()
    assert letter.error == "DeadlineExceeded: the handler had not returned after 0.1 s and was cancelled"
    assert letter.attempts == cancelled == 3


async def test_without_delays_a_message_is_a_dead_letter_after_its_attempts(
    database: Database, memory: MemoryBroker
) -> None:
    async def fail(event: Counted) -> None:
        if event.n == 0:
            raise ValueError("never")

    once = policy(retry=RetryPolicy(attempts=1), delays=())
    consumer = consumer_of(database, memory, recorder(before=fail), policy=once)
    await consumer.start()
    await publish(database, "a", 0, 1)
    assert await handled(database, 1) == {"a": [1]}
    await consumer.stop()
    (letter,) = await DeadLetters(database).list()
    assert letter.attempts == 1


async def test_an_event_has_a_bound_of_its_own(database: Database, memory: MemoryBroker) -> None:
    running = most = 0

    async def slow(event: Counted) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    consumer = consumer_of(database, memory, recorder(before=slow), policy=policy(in_flight=2))
    await consumer.start()
    for n in range(20):
        await publish(database, f"k{n}", n)
    await handled(database, 20)
    await consumer.stop()
    assert most == 2


async def test_a_slow_handler_holds_no_more_than_its_window(database: Database, memory: MemoryBroker) -> None:
    """The rest stays with the broker: memory does not grow with what waits there."""
    go, begun = asyncio.Event(), asyncio.Event()

    async def wait(event: Counted) -> None:
        begun.set()
        await go.wait()

    async with database.work() as work:
        for n in range(200):
            await work.publish(Counted(f"k{n % 10}", n))

    async def all_published() -> bool:
        return sum(map(len, memory._logs)) == 200

    await eventually(all_published)
    consumer = consumer_of(database, memory, recorder(before=wait), policy=ConsumerPolicy(window=16))
    await consumer.start()
    await asyncio.wait_for(begun.wait(), 10)
    for _ in range(50):
        await asyncio.sleep(0)
    (pump,) = consumer._pumps.values()
    (position,) = memory._positions.values()
    assert position.newest is not None
    assert len(pump._held) == position.newest._next == 16
    go.set()
    found = await handled(database, 200)
    await consumer.stop()
    assert found == {f"k{k}": list(range(k, 200, 10)) for k in range(10)}


async def test_a_paused_subject_stays_with_the_broker_over_restarts_and_goes_on_in_order(
    database: Database, broker: Broker, relay: Relay
) -> None:
    consumers = Consumers(database)
    first, second = (consumer_of(database, broker, recorder(who)) for who in ("first", "second"))
    await first.start()
    await publish(database, "a", 0, 1)
    await handled(database, 2)
    assert await consumers.pause("test.counted", why="mending") == ["test.counted"]

    async def paused() -> bool:
        return all(pump._handling.paused for pump in first._pumps.values())

    await eventually(paused)
    await publish(database, "a", 2, 3)
    (view,) = await consumers.list()
    assert (view.subject, view.why, view.paused_at is not None) == ("test.counted", "mending", True)
    await first.stop()
    await second.start()
    await asyncio.sleep(1.0)  # time in which one that does not know would handle them
    assert await ledger(database) == {"a": [0, 1]}
    assert await consumers.resume() == ["test.counted"]
    assert await handled(database, 4) == {"a": [0, 1, 2, 3]}
    await second.stop()


class Other(Event, subject="test.other", key="key"):
    key: str
    n: int


async def test_other_subjects_go_on_while_one_is_paused(database: Database, broker: Broker, relay: Relay) -> None:
    from atoll.messaging import Consumer

    consumer = Consumer(database, broker, {Counted: recorder("c"), Other: recorder("o")}, group="test")
    await consumer.start()

    async def known() -> bool:
        return len(await Consumers(database).list()) == 2

    async def paused() -> bool:
        return all(pump._handling.paused == {"test.counted"} for pump in consumer._pumps.values())

    await eventually(known)
    await Consumers(database).pause("test.counted")
    await eventually(paused)
    await publish(database, "a", 0)
    async with database.work() as work:
        await work.publish(Other("b", 1))
    assert await handled(database, 1) == {"b": [1]}
    await Consumers(database).resume("test.counted")
    assert await handled(database, 2) == {"a": [0], "b": [1]}
    await consumer.stop()


async def test_what_is_parked_waits_while_its_subject_is_paused(database: Database, memory: MemoryBroker) -> None:
    failing = True

    async def fail(event: Counted) -> None:
        if failing:
            raise ValueError("not yet")

    limits = policy(retry=RetryPolicy(attempts=1), delays=(0.05, 0.05, 0.05, 600.0))
    consumer = consumer_of(database, memory, recorder(before=fail), policy=limits)
    await consumer.start()
    await publish(database, "a", 0)

    async def parked() -> bool:
        return [view.parked for view in await Consumers(database).list()] == [1]

    await eventually(parked)
    await Consumers(database).pause()
    failing = False
    await asyncio.sleep(1.3)  # a look for what is due comes every second
    assert await ledger(database) == {}
    await Consumers(database).resume()
    assert await handled(database, 1) == {"a": [0]}
    await consumer.stop()


async def test_pausing_what_is_not_consumed_says_what_is(database: Database) -> None:
    with pytest.raises(NotFound, match=r"order\.lost is not consumed here; it consumes nothing"):
        await Consumers(database).pause("order.lost")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"deadline": 0.0}, "EventPolicy: deadline is 0 s; it must be more than 0"),
        ({"delays": (1.0, -1.0)}, "EventPolicy: delays is -1 s"),
        ({"in_flight": 0}, "EventPolicy: in_flight is 0; it must be at least 1"),
        ({"batch": 0}, "EventPolicy: batch is 0"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        EventPolicy(**wrong)  # type: ignore[arg-type]


async def test_a_handler_that_swallows_its_cancellation_takes_effect_once(
    database: Database, memory: MemoryBroker
) -> None:
    """Whoever goes on after the time is over and returns has handled the message; it is not tried beside that."""

    async def stubborn(event: Counted) -> None:
        if event.n == 0:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    limits = policy(deadline=0.1, retry=RetryPolicy(attempts=2), delays=())
    consumer = consumer_of(database, memory, recorder(before=stubborn), policy=limits)
    await consumer.start()
    await publish(database, "a", 0, 2)
    await publish(database, "b", 1)
    assert await handled(database, 3) == {"b": [1], "a": [0, 2]}
    await consumer.stop()
    assert await DeadLetters(database).list() == []
    assert await ledger(database) == {"b": [1], "a": [0, 2]}
