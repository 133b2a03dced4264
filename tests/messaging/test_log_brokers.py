"""RabbitMQ and Kafka beyond the conformance suite: killed, frozen and absent servers, readers in several processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from tests.brokers import KafkaServer, RabbitServer, install_or_skip

from atoll.messaging import Broker, Delivery, Subscription, SubscriptionEnded, open_broker
from atoll.messaging.broker import BrokerUnavailable, partition_of

KINDS: dict[str, type[RabbitServer | KafkaServer]] = {"rabbitmq": RabbitServer, "kafka": KafkaServer}
KEY = "one key"
EVENT = "order.created"


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    install_or_skip(kind)
    return kind


@pytest.fixture
def server(kind: str) -> Iterator[RabbitServer | KafkaServer]:
    """One of its own, to be killed."""
    server = KINDS[kind]()
    yield server
    server.remove()


@pytest.fixture
def shared(kind: str, request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(kind).url
    return url


@asynccontextmanager
async def connected(url: str, system: str) -> AsyncIterator[Broker]:
    broker = open_broker(url, system=system)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


async def ready(broker: Broker, *, within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while True:
            try:
                await broker.check()
            except BrokerUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def publish(broker: Broker, body: str, message_id: str = "", subject: str = EVENT) -> None:
    await broker.publish(subject, KEY, message_id or str(uuid4()), body.encode())


async def subscribe(broker: Broker) -> Subscription:
    return await broker.subscribe("payments", [EVENT], partition_of(KEY, broker.partitions))


async def read(subscription: Subscription, count: int, *, within: float = 10.0) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(within):
        while len(found) < count:
            found.extend(await subscription.fetch(count - len(found), within))
    return found


def texts(deliveries: list[Delivery]) -> list[str]:
    return [delivery.body.decode() for delivery in deliveries]


async def consume_into(broker: Broker, seen: list[str], stop: asyncio.Event) -> None:
    """As the framework's consumer does: read, acknowledge, and subscribe again whenever it ends."""
    while not stop.is_set():
        try:
            subscription = await subscribe(broker)
            while not stop.is_set():
                for delivery in await subscription.fetch(50, 0.2):
                    seen.append(delivery.body.decode())
                    await delivery.acknowledge()
        except (BrokerUnavailable, SubscriptionEnded):
            await asyncio.sleep(0.05)


async def publish_until_acknowledged(broker: Broker, body: str, acknowledged: list[str]) -> None:
    """As the relay does: the same message again, until the broker has it, and only then the next one."""
    message_id = str(uuid4())
    while True:
        try:
            await publish(broker, body, message_id)
        except BrokerUnavailable:
            await asyncio.sleep(0.05)
        else:
            acknowledged.append(body)
            return


@pytest.mark.slow
async def test_a_broker_killed_while_publishing_and_consuming_loses_nothing_that_it_acknowledged(
    server: RabbitServer | KafkaServer,
) -> None:
    system = f"s{uuid4().hex[:8]}"
    await settle_in(server, system)
    acknowledged: list[str] = []
    seen: list[str] = []
    stop = asyncio.Event()
    async with connected(server.url, system) as publisher, connected(server.url, system) as reader:
        await ready(publisher)
        consuming = asyncio.create_task(consume_into(reader, seen, stop))
        publishing = asyncio.create_task(publish_numbers(publisher, 3_000, acknowledged))
        for threshold in (500, 1_500):
            async with asyncio.timeout(60):
                while len(acknowledged) < threshold:
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        await asyncio.wait_for(publishing, 60)
        async with asyncio.timeout(30):
            while not set(acknowledged) <= set(seen):
                await asyncio.sleep(0.05)
        stop.set()
        await consuming
    first_seen = list(dict.fromkeys(seen))
    assert first_seen == [str(n) for n in range(3_000)]


async def settle_in(server: RabbitServer | KafkaServer, system: str) -> None:
    """A node that has been stopped once: RabbitMQ 3.10 writes a new node's list of coordinators to disk some time later."""
    server.start()
    async with connected(server.url, system) as broker:
        await ready(broker)
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)


async def publish_numbers(broker: Broker, count: int, acknowledged: list[str]) -> None:
    for n in range(count):
        await publish_until_acknowledged(broker, str(n), acknowledged)


@pytest.mark.slow
async def test_a_broker_that_is_away_at_first_is_found_when_it_comes(server: RabbitServer | KafkaServer) -> None:
    async with connected(server.url, f"s{uuid4().hex[:8]}") as broker:
        with pytest.raises(BrokerUnavailable):
            await broker.check()
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await publish(broker, "lost")
        with pytest.raises(BrokerUnavailable):
            await subscribe(broker)
        assert time.monotonic() - began < 15
        await asyncio.to_thread(server.start)
        await ready(broker)
        await publish(broker, "found")
        assert texts(await read(await subscribe(broker), 1)) == ["found"]
        server.pause()
        try:
            with pytest.raises(BrokerUnavailable):
                await broker.check()
        finally:
            server.resume()
        await ready(broker)


@pytest.mark.slow
async def test_stopping_does_not_wait_for_a_broker_that_hangs(server: RabbitServer | KafkaServer) -> None:
    server.start()
    try:
        async with connected(server.url, f"s{uuid4().hex[:8]}") as broker:
            await publish(broker, "a")
            (delivery,) = await read(await subscribe(broker), 1)
            for partition in range(4):
                await broker.subscribe("shipping", [EVENT], partition)
            server.pause()
            await delivery.acknowledge()
            began = time.monotonic()
        assert time.monotonic() - began < 12
    finally:
        server.resume()


@pytest.mark.slow
async def test_messages_and_places_survive_a_restart_of_the_broker(server: RabbitServer | KafkaServer) -> None:
    server.start()
    system = f"s{uuid4().hex[:8]}"
    async with connected(server.url, system) as broker:
        for body in "abc":
            await publish(broker, body)
        await (await read(await subscribe(broker), 1))[0].acknowledge()
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    async with connected(server.url, system) as broker:
        await ready(broker)
        assert texts(await read(await subscribe(broker), 2)) == ["b", "c"]


async def test_another_process_takes_over_where_the_older_one_was(shared: str) -> None:
    system = f"s{uuid4().hex[:8]}"
    async with connected(shared, system) as one, connected(shared, system) as two:
        for body in "abc":
            await publish(one, body)
        older = await subscribe(one)
        await (await read(older, 3))[0].acknowledge()
        await asyncio.sleep(1.0)  # longer than the interval in which places are written down
        newer = await subscribe(two)
        assert texts(await read(newer, 2)) == ["b", "c"]
        with pytest.raises(SubscriptionEnded):
            await read(older, 1, within=5.0)
        await publish(one, "d")
        assert texts(await read(newer, 1)) == ["d"]


async def test_what_an_older_reader_acknowledges_late_takes_nothing_from_the_newer(shared: str) -> None:
    system = f"s{uuid4().hex[:8]}"
    async with connected(shared, system) as one, connected(shared, system) as two, connected(shared, system) as three:
        for body in "abcd":
            await publish(one, body)
        zombies = await read(await subscribe(one), 2)
        newer = await subscribe(two)
        for delivery in await read(newer, 3):
            await delivery.acknowledge()
        await newer.close()
        for zombie in zombies:
            await zombie.acknowledge()
        await asyncio.sleep(1.5)
        last = await subscribe(three)
        found: list[str] = []
        async with asyncio.timeout(10):
            while "d" not in found:
                found += texts(list(await last.fetch(10, 5.0)))
        assert found == ["d"]


async def test_the_same_message_from_two_publishers_comes_once(shared: str) -> None:
    """The one that took the relay's place does not know what the one before had been acknowledged."""
    system = f"s{uuid4().hex[:8]}"
    async with connected(shared, system) as one, connected(shared, system) as two:
        subscription = await subscribe(one)
        await publish(one, "once", "the-same-id")
        await publish(two, "twice", "the-same-id")
        await publish(two, "next")
        assert texts(await read(subscription, 2)) == ["once", "next"]


async def test_a_slow_reader_is_not_overrun_and_gets_everything(shared: str) -> None:
    async with connected(shared, f"s{uuid4().hex[:8]}") as broker:
        subscription = await subscribe(broker)
        await asyncio.gather(*(publish(broker, str(n)) for n in range(2_500)))
        found: list[str] = []
        async with asyncio.timeout(20):
            while len(found) < 2_500:
                deliveries = list(await subscription.fetch(40, 5.0))
                assert len(deliveries) <= 40
                for delivery in deliveries:
                    await delivery.acknowledge()
                found += texts(deliveries)
        assert sorted(found, key=int) == [str(n) for n in range(2_500)]


async def test_a_message_that_is_too_large_is_refused_and_the_next_one_goes(shared: str) -> None:
    async with connected(shared, f"s{uuid4().hex[:8]}") as broker:
        with pytest.raises(BrokerUnavailable, match="has 1048577 bytes and a broker takes 1048576"):
            await publish(broker, "x" * 1_048_577)
        await publish(broker, "y" * 1_048_576)
        (delivery,) = await read(await subscribe(broker), 1)
        assert len(delivery.body) == 1_048_576


async def test_stopping_returns_at_once_and_leaves_no_task(shared: str) -> None:
    before = asyncio.all_tasks()
    async with connected(shared, f"s{uuid4().hex[:8]}") as broker:
        await publish(broker, "a")
        await subscribe(broker)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("url", ["kafka://", "kafka://host", "kafka://user:secret@:9092"])
def test_a_kafka_address_that_makes_no_sense_is_refused_without_its_password(url: str) -> None:
    pytest.importorskip("confluent_kafka")
    with pytest.raises(ValueError, match="kafka://host:port") as caught:
        open_broker(url, system="shop")
    assert "secret" not in str(caught.value)
