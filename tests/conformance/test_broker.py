"""What every broker adapter promises. Real ones run against real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from atoll.messaging import Broker, Delivery, Passing, Subscription, SubscriptionEnded, Tail, open_broker
from atoll.messaging.broker import Outgoing, partition_of


@pytest.fixture(params=["memory", "nats", "rabbitmq", "kafka"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    url = "memory://" if request.param == "memory" else request.getfixturevalue(request.param).url
    broker = open_broker(url, system=f"s{uuid4().hex[:8]}")
    await broker.start()
    yield broker
    await broker.stop()


def key_in(partition: int, which: int = 0) -> str:
    """The ``which``-th key of a partition."""
    keys = (f"key-{n}" for n in range(10_000))
    return [
        key
        for key, _ in zip((one for one in keys if partition_of(one, 8) == partition), range(which + 1), strict=False)
    ][which]


async def publish(broker: Broker, *bodies: str, subject: str = "order.created", key: str = "") -> None:
    for body in bodies:
        await broker.publish(subject, key or key_in(3), f"id-{uuid4()}", body.encode())


async def read(subscription: Subscription, count: int, *, wait: float = 5.0) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(wait):
        while len(found) < count:
            found.extend(await subscription.fetch(count - len(found), wait))
    return found


def texts(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.body.decode() for delivery in deliveries]


async def test_check_passes_once_connected(broker: Broker) -> None:
    await publish(broker, "a")
    await broker.check()


async def test_a_group_reads_a_partition_in_order_from_its_oldest_message(broker: Broker) -> None:
    bodies = [str(n) for n in range(50)]
    await publish(broker, *bodies[:25])
    subscription = await broker.subscribe("payments", ["order.created"], 3)
    await publish(broker, *bodies[25:])
    assert texts(await read(subscription, 50)) == bodies


async def test_a_delivery_names_its_subject_and_sequence(broker: Broker) -> None:
    subscription = await broker.subscribe("payments", ["order.created", "order.cancelled"], 3)
    await publish(broker, "a")
    await publish(broker, "b", subject="order.cancelled")
    first, second = await read(subscription, 2)
    assert (first.subject, second.subject) == ("order.created", "order.cancelled")
    assert first.sequence < second.sequence


async def test_only_the_subjects_asked_for_come(broker: Broker) -> None:
    subscription = await broker.subscribe("payments", ["order.created"], 3)
    await publish(broker, "other", subject="order.cancelled")
    await publish(broker, "wanted")
    assert texts(await read(subscription, 1)) == ["wanted"]


async def test_a_known_message_id_is_dropped(broker: Broker) -> None:
    subscription = await broker.subscribe("payments", ["order.created"], 3)
    for body in (b"once", b"twice"):
        await broker.publish("order.created", key_in(3), "the-same-id", body)
    await publish(broker, "next")
    assert texts(await read(subscription, 2)) == ["once", "next"]


async def test_partitions_are_separate_and_a_key_stays_in_one(broker: Broker) -> None:
    three = await broker.subscribe("payments", ["order.created"], 3)
    five = await broker.subscribe("payments", ["order.created"], 5)
    await publish(broker, "a", "b", key=key_in(5))
    await publish(broker, "c", key=key_in(3, which=7))
    assert texts(await read(three, 1)) == ["c"]
    assert texts(await read(five, 2)) == ["a", "b"]


async def test_groups_do_not_take_from_each_other(broker: Broker) -> None:
    await publish(broker, "a")
    for group in ("payments", "shipping"):
        assert texts(await read(await broker.subscribe(group, ["order.created"], 3), 1)) == ["a"]


async def test_fetch_gives_up_after_its_time(broker: Broker) -> None:
    subscription = await broker.subscribe("payments", ["order.created"], 3)
    assert list(await subscription.fetch(10, 0.05)) == []


async def test_fetch_gives_no_more_than_asked_for(broker: Broker) -> None:
    subscription = await broker.subscribe("payments", ["order.created"], 3)
    await publish(broker, "a", "b", "c")
    assert len(await subscription.fetch(2, 5.0)) <= 2


async def test_a_take_over_gets_what_was_not_acknowledged_in_order_and_nothing_that_was(broker: Broker) -> None:
    await publish(broker, *"abcdef")
    first = await broker.subscribe("payments", ["order.created"], 3)
    deliveries = await read(first, 6)
    for index in (0, 1):
        await deliveries[index].acknowledge()
    await settle(broker)
    second = await broker.subscribe("payments", ["order.created"], 3)
    assert texts(await read(second, 4)) == ["c", "d", "e", "f"]


async def test_messages_behind_a_gap_may_come_again_but_in_order(broker: Broker) -> None:
    await publish(broker, *"abcd")
    first = await broker.subscribe("payments", ["order.created"], 3)
    deliveries = await read(first, 4)
    for index in (0, 2):
        await deliveries[index].acknowledge()
    await settle(broker)
    second = await broker.subscribe("payments", ["order.created"], 3)
    again = texts(await read(second, 2))
    assert again in (["b", "c"], ["b", "d"])


async def test_an_older_subscription_ends_when_another_takes_over(broker: Broker) -> None:
    first = await broker.subscribe("payments", ["order.created"], 3)
    assert list(await first.fetch(10, 0.05)) == []
    second = await broker.subscribe("payments", ["order.created"], 3)
    with pytest.raises(SubscriptionEnded):
        await read(first, 1)
    await publish(broker, "a")
    assert texts(await read(second, 1)) == ["a"]


async def test_a_subject_new_to_a_group_comes_from_its_beginning(broker: Broker) -> None:
    await publish(broker, "old", subject="order.cancelled")
    await publish(broker, "a")
    narrow = await broker.subscribe("payments", ["order.created"], 3)
    (delivery,) = await read(narrow, 1)
    await delivery.acknowledge()
    await settle(broker)
    wide = await broker.subscribe("payments", ["order.created", "order.cancelled"], 3)
    assert "old" in texts(await read(wide, 1))


async def test_a_subject_left_for_a_while_is_taken_up_where_it_was(broker: Broker) -> None:
    """Two releases take turns: the older one does not know order.cancelled."""
    both = ["order.created", "order.cancelled"]
    await publish(broker, "read", subject="order.cancelled")
    newer = await broker.subscribe("payments", both, 3)
    for delivery in await read(newer, 1):
        await delivery.acknowledge()
    await settle(broker)
    older = await broker.subscribe("payments", ["order.created"], 3)
    await publish(broker, "missed", subject="order.cancelled")
    await publish(broker, "created")
    for delivery in await read(older, 1):
        await delivery.acknowledge()
    await settle(broker)
    newer = await broker.subscribe("payments", both, 3)
    assert texts(await read(newer, 1)) == ["missed"]


async def test_many_publishes_at_once_all_arrive_once(broker: Broker) -> None:
    await asyncio.gather(*(publish(broker, str(n)) for n in range(500)))
    subscription = await broker.subscribe("payments", ["order.created"], 3)
    assert sorted(texts(await read(subscription, 500)), key=int) == [str(n) for n in range(500)]


async def test_many_published_as_one_arrive_once_in_order_by_key_also_when_some_were_known(broker: Broker) -> None:
    run = uuid4().hex
    keys = [key_in(partition, which) for partition in (3, 4) for which in (0, 1)]
    every = [
        Outgoing("order.created", key, f"{run}-{key}-{n}", f"{key}/{n}".encode()) for n in range(150) for key in keys
    ]
    await broker.publish_all(every[:40])
    await broker.publish_all(every[20:])  # 20 of them again, as after a crash
    await broker.publish_all(every[-1:])
    await broker.publish_all([])
    for partition in (3, 4):
        found = texts(await read(await broker.subscribe("payments", ["order.created"], partition), 300))
        by_key: dict[str, list[int]] = {}
        for text in found:
            key, _, number = text.partition("/")
            by_key.setdefault(key, []).append(int(number))
        assert by_key == {key_in(partition, which): list(range(150)) for which in (0, 1)}


async def watch(tail: Tail, count: int, *, wait: float = 5.0) -> list[Passing]:
    found: list[Passing] = []
    async with asyncio.timeout(wait):
        while len(found) < count:
            found.extend(await tail.fetch(count - len(found), wait))
    return found


async def test_a_tail_shows_all_partitions_from_now_on(broker: Broker) -> None:
    await publish(broker, "before")
    tail = await broker.tail([])
    await publish(broker, "a", "b", key=key_in(3))
    await publish(broker, "c", subject="order.cancelled", key=key_in(5))
    seen = await watch(tail, 3)
    assert {(one.subject, one.partition, one.body) for one in seen} == {
        ("order.created", 3, b"a"), ("order.created", 3, b"b"), ("order.cancelled", 5, b"c"),
    }  # fmt: skip
    assert [one.body for one in seen if one.partition == 3] == [b"a", b"b"]
    assert list(await tail.fetch(10, 0.05)) == []
    await tail.close()


async def test_a_tail_may_begin_earlier_and_look_at_some_subjects_only(broker: Broker) -> None:
    await publish(broker, "other", subject="order.cancelled")
    await publish(broker, "old")
    tail = await broker.tail(["order.created"], datetime.now(UTC) - timedelta(minutes=5))
    await publish(broker, "other", subject="order.cancelled")
    await publish(broker, "new")
    assert [one.body for one in await watch(tail, 2)] == [b"old", b"new"]
    await tail.close()


async def test_a_tail_takes_nothing_from_a_group(broker: Broker) -> None:
    subscription = await broker.subscribe("payments", ["order.created"], 3)
    tail = await broker.tail(["order.created"])
    await publish(broker, "a", "b")
    assert len(await watch(tail, 2)) == 2
    await tail.close()
    first, second = await read(subscription, 2)
    assert texts([first, second]) == ["a", "b"]
    await first.acknowledge()
    await settle(broker)
    late = await broker.tail(["order.created"], datetime.now(UTC) - timedelta(minutes=5))
    assert len(await watch(late, 2)) == 2
    await late.close()
    assert texts(await read(await broker.subscribe("payments", ["order.created"], 3), 1)) == ["b"]


async def test_a_broker_that_tells_counts_what_a_group_has_not_acknowledged(broker: Broker) -> None:
    await publish(broker, "a", "b", "c")
    subscription = await broker.subscribe("payments", ["order.created"], 3)
    first, *_ = await read(subscription, 3)
    await first.acknowledge()
    await settle(broker)
    assert await broker.backlog("payments") in (2, None)
    assert await broker.backlog("nobody") in (0, None)


async def settle(broker: Broker) -> None:
    """Acknowledgements are sent without waiting for an answer; a round trip on the same connection puts them behind us."""
    await publish(broker, "settled", subject="nobody.reads")
    await broker.check()
