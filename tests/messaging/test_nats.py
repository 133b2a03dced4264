"""What is particular to NATS: its server going away and coming back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from atoll.messaging import SubscriptionEnded
from atoll.messaging import nats as nats_adapter
from atoll.messaging.broker import BrokerUnavailable, NotAllPublished, Outgoing, partition_of
from atoll.messaging.nats import NatsBroker
from atoll.testing import NatsServer


@pytest.fixture(scope="module")
def own() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


@pytest.fixture
def server(own: NatsServer) -> NatsServer:
    if own._process is None:
        own.start()
    return own


async def test_starts_at_once_while_the_server_is_away_and_publishes_when_it_comes(
    server: NatsServer, system: str
) -> None:
    server.stop()
    broker = NatsBroker(server.url, system=system)
    started = time.monotonic()
    await broker.start()
    assert time.monotonic() - started < 4  # instead of for ever, or of a connection's 5 s
    with pytest.raises(BrokerUnavailable, match="the broker is away"):
        await broker.check()
    publishing = asyncio.create_task(broker.publish("a.b", "k", "1", b"{}"))
    await asyncio.to_thread(server.start)
    await publishing
    await broker.check()
    await broker.stop()


async def test_a_client_that_closed_itself_without_a_word_is_replaced(server: NatsServer, system: str) -> None:
    """nats-py closes in the task that met the failure; a time limit there may end it before its callbacks are called."""
    broker = NatsBroker(server.url, system=system)
    await broker.start()
    await broker.publish("a.b", "k", "1", b"{}")
    link = broker._link
    assert link is not None
    await link.client._close(link.client.CLOSED, False)
    with pytest.raises(BrokerUnavailable):
        await broker.publish("a.b", "k", "2", b"{}")
    async with asyncio.timeout(20):
        while True:
            try:
                await broker.publish("a.b", "k", "2", b"{}")
                break
            except BrokerUnavailable:
                await asyncio.sleep(0.05)
    await broker.stop()


async def test_a_restart_ends_subscriptions_and_loses_nothing(server: NatsServer, system: str) -> None:
    broker = NatsBroker(server.url, system=system, partitions=1)
    await broker.start()
    subscription = await broker.subscribe("g", ["a.b"], 0)
    await broker.publish("a.b", "k", "1", b"one")
    (first,) = await subscription.fetch(10, 5)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    with pytest.raises(SubscriptionEnded):
        await subscription.fetch(10, 5)
    await first.acknowledge()  # on a dead connection: lost, and harmless
    await broker.publish("a.b", "k", "2", b"two")
    again = await broker.subscribe("g", ["a.b"], 0)
    bodies: list[bytes] = []
    while len(bodies) < 2:
        bodies.extend(delivery.body for delivery in await again.fetch(10, 5))
    assert bodies == [b"one", b"two"]
    await broker.stop()


async def test_a_stream_that_vanished_is_made_again(server: NatsServer, system: str) -> None:
    broker = NatsBroker(server.url, system=system)
    await broker.start()
    await broker.publish("a.b", "k", "1", b"{}")
    assert broker._link is not None
    await broker._link.js.delete_stream(f"{system}-events")
    async with asyncio.timeout(10):
        while True:
            try:
                await broker.publish("a.b", "k", "2", b"{}")
                break
            except BrokerUnavailable:
                await asyncio.sleep(0.02)
    await broker.stop()


async def test_two_systems_on_one_server_do_not_meet(server: NatsServer, system: str) -> None:
    one, other = NatsBroker(server.url, system=system), NatsBroker(server.url, system=f"{system}x")
    for broker in (one, other):
        await broker.start()
    await one.publish("a.b", "k", "the same id", b"one")
    await other.publish("a.b", "k", "the same id", b"other")
    for broker, body in ((one, b"one"), (other, b"other")):
        await broker.publish("a.b", "k", "the last one", b"end")  # behind whatever else there were with this key
        subscription = await broker.subscribe("g", ["a.b"], partition_of("k", broker.partitions))
        found: list[bytes] = []
        while b"end" not in found:
            found.extend(delivery.body for delivery in await subscription.fetch(10, 5.0))
        assert found == [body, b"end"]
        await broker.stop()


async def test_messages_are_kept_in_files_for_a_week(server: NatsServer, system: str) -> None:
    broker = NatsBroker(server.url, system=system)
    await broker.start()
    await broker.publish("a.b", "k", "1", b"{}")
    assert broker._link is not None
    config = (await broker._link.js.stream_info(f"{system}-events")).config
    await broker.stop()
    assert config.storage == "file"
    assert config.max_age == 7 * 86_400
    assert config.duplicate_window == 120


def lot(count: int) -> list[Outgoing]:
    return [Outgoing("a.b", f"k{n}", f"id-{n}", str(n).encode()) for n in range(count)]


async def stored(broker: NatsBroker) -> int:
    assert broker._link is not None
    info = await broker._link.js.stream_info(broker._link.stream)
    return info.state.messages


async def test_many_go_as_one_batch(server: NatsServer, system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = NatsBroker(server.url, system=system)
    await broker.start()
    await broker.publish("a.b", "k", "first", b"{}")

    async def refuse(*_: object) -> None:
        raise AssertionError("published one by one")

    monkeypatch.setattr(nats_adapter, "publish_each", refuse)
    await broker.publish_all(lot(600))
    assert await stored(broker) == 601
    await broker.stop()


async def test_a_stream_that_takes_no_batches_is_given_them_one_by_one_from_then_on(
    server: NatsServer, system: str
) -> None:
    broker = NatsBroker(server.url, system=system)
    await broker.start()
    await broker.publish("a.b", "k", "first", b"{}")
    link = broker._link
    assert link is not None
    config = (await link.js.stream_info(link.stream)).config
    config.allow_atomic = False
    await link.js.update_stream(config)
    await broker.publish_all(lot(20))
    assert not link.takes_batches
    await broker.publish_all(lot(30))  # 20 of them are known
    assert await stored(broker) == 31
    await broker.stop()


async def test_what_is_not_published_when_the_server_goes_is_told_and_can_be_published_again(
    server: NatsServer, system: str
) -> None:
    broker = NatsBroker(server.url, system=system)
    await broker.start()
    await broker.publish_all(lot(10))
    await asyncio.to_thread(server.stop)
    with pytest.raises(BrokerUnavailable):
        await broker.publish_all(lot(40))
    await asyncio.to_thread(server.start)
    async with asyncio.timeout(30):
        left = lot(40)
        while left:
            try:
                await broker.publish_all(left)
                left = []
            except NotAllPublished as error:
                left = list(error.left)
            except BrokerUnavailable:
                continue
    assert await stored(broker) == 40
    await broker.stop()
