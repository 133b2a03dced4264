"""What a service may do at the broker of a running system: publish its own events, and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aio_pika
import nats
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused
from nats.aio.client import Client
from tests.brokers import install_or_skip

from atoll.messaging import open_broker
from atoll.messaging.broker import KEEP_DAYS, PARTITIONS, Broker, BrokerUnavailable, partition_of
from atoll.messaging.rabbitmq_link import SEGMENT
from atoll.platform.local import rabbitmq_rights
from atoll.platform.local.accounts import Accounts, Rights, make_accounts
from atoll.platform.local.folder import Folder
from atoll.platform.local.nats import OwnNats
from atoll.platform.local.parts import BrokerPart
from atoll.platform.local.rabbitmq import OwnRabbitMQ
from atoll.system import Service, System
from atoll.testing.servers import free_port

SYSTEM = System("shop", services=tuple(Service(name, events=True) for name in ("orders", "payments", "stranger")))
RIGHTS = {
    "orders": Rights(("order.created",), ("payment.captured",)),
    "payments": Rights(("payment.captured",), ("order.created",)),
}


Make = Callable[[Folder, Accounts], OwnNats | OwnRabbitMQ]


def own_nats(folder: Folder, accounts: Accounts) -> OwnNats:
    return OwnNats(folder, free_port(), accounts, durable=False)


def own_rabbitmq(folder: Folder, accounts: Accounts) -> OwnRabbitMQ:
    install_or_skip("rabbitmq")
    return OwnRabbitMQ(folder, (free_port(), free_port(), free_port()), accounts)


async def started(make: Make, home: Path) -> AsyncIterator[OwnNats | OwnRabbitMQ]:
    folder = Folder(home / ".atoll")
    folder.create()
    server = make(folder, make_accounts(SYSTEM, folder))
    await server.grant(RIGHTS)
    await server.start(lambda _: None)
    yield server
    assert server.keeper is not None
    await server.keeper.stop()


@pytest.fixture(name="server", params=[own_nats, own_rabbitmq])
async def server_fixture(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OwnNats | OwnRabbitMQ]:
    async for server in started(request.param, tmp_path):
        yield server


@pytest.fixture(name="nats_server")
async def nats_server_fixture(tmp_path: Path) -> AsyncIterator[OwnNats]:
    async for server in started(own_nats, tmp_path):
        assert isinstance(server, OwnNats)
        yield server


@pytest.fixture(name="rabbit")
async def rabbit_fixture(tmp_path: Path) -> AsyncIterator[OwnRabbitMQ]:
    async for server in started(own_rabbitmq, tmp_path):
        assert isinstance(server, OwnRabbitMQ)
        yield server


async def connected(server: BrokerPart, service: str) -> Broker:
    broker = open_broker(server.url_for(service), system="shop")
    await broker.start()
    return broker


async def told(errors: list[str], count: int) -> None:
    """Returns when the client was told of so many refusals; it hears of them in a task of its own, after the flush."""
    async with asyncio.timeout(20):
        while len(errors) < count:
            await asyncio.sleep(0.01)
    assert len(errors) == count


async def raw(server: BrokerPart, service: str, errors: list[str]) -> Client:
    async def note(error: Exception) -> None:
        errors.append(str(error))

    return await nats.connect(server.url_for(service), error_cb=note, inbox_prefix=f"_INBOX.{service}")


async def test_events_go_from_the_one_that_publishes_to_the_one_that_consumes(server: BrokerPart) -> None:
    orders, payments = await connected(server, "orders"), await connected(server, "payments")
    try:
        await orders.publish("order.created", "k", "1", b"{}")
        async with asyncio.timeout(20):
            found = [
                delivery
                for partition in range(orders.partitions)
                for delivery in await (await payments.subscribe("payments", ["order.created"], partition)).fetch(1, 0.3)
            ]
        assert [(one.subject, one.body) for one in found] == [("order.created", b"{}")]
        await found[0].acknowledge()
    finally:
        await orders.stop()
        await payments.stop()


async def test_another_services_event_is_refused(server: BrokerPart) -> None:
    orders = await connected(server, "orders")
    try:
        await orders.publish("order.created", "k", "1", b"{}")
        with pytest.raises(BrokerUnavailable, match=r"(?i)permissions violation for publish|access.?refused"):
            await orders.publish("payment.captured", "k", "2", b"{}")
    finally:
        await orders.stop()
    admin = open_broker(server.admin_url, system="shop")
    await admin.start()
    try:
        assert await everything(admin) == ["order.created"]
    finally:
        await admin.stop()


async def everything(broker: Broker) -> list[str]:
    """The subjects of all that was ever published."""
    found: list[str] = []
    for partition in range(broker.partitions):
        subscription = await broker.subscribe("judge", ["order.created", "payment.captured"], partition)
        found += [one.subject for one in await subscription.fetch(10, 0.3)]
    return found


async def test_a_service_that_consumes_nothing_reads_nothing(server: BrokerPart) -> None:
    stranger = await connected(server, "stranger")
    try:
        with pytest.raises(BrokerUnavailable):
            await stranger.subscribe("stranger", ["order.created"], 0)
    finally:
        await stranger.stop()


async def test_nobody_listens_to_the_subjects_or_to_others_inboxes(nats_server: OwnNats) -> None:
    errors: list[str] = []
    client = await raw(nats_server, "orders", errors)
    for subject in ("shop.>", "_INBOX.>", "_INBOX.payments.>"):
        await client.subscribe(subject)
    await client.flush()
    await told(errors, 3)
    await client.close()
    assert all("permissions violation" in error.lower() for error in errors)


async def test_nobody_changes_the_stream(nats_server: OwnNats) -> None:
    await (orders := await connected(nats_server, "orders")).publish("order.created", "k", "1", b"{}")
    await orders.stop()
    errors: list[str] = []
    client = await raw(nats_server, "orders", errors)
    for verb in ("UPDATE", "DELETE", "PURGE"):
        await client.publish(f"$JS.API.STREAM.{verb}.shop-events", b"{}")
    await client.flush()
    await told(errors, 3)
    await client.close()


async def test_new_rights_are_there_at_once(server: BrokerPart) -> None:
    orders = await connected(server, "orders")
    try:
        await orders.publish("order.created", "k", "1", b"{}")
        await server.grant({"orders": Rights(("order.lost",), ())})

        async def published() -> bool:
            try:
                await orders.publish("order.lost", "k", "2", b"{}")
            except BrokerUnavailable:
                return False
            return True

        async with asyncio.timeout(60):
            while not await published():
                await asyncio.sleep(0.1)
    finally:
        await orders.stop()


async def test_what_goes_round_the_exchange_is_not_read(rabbit: OwnRabbitMQ) -> None:
    """Straight into the stream, under the name of another's event."""
    async with await aio_pika.connect(rabbit.url_for("orders")) as connection:
        channel = await connection.channel()
        forged = aio_pika.Message(b"{}", type="payment.captured", message_id="1")
        stream = f"shop.events.{partition_of('k', PARTITIONS)}"
        await channel.default_exchange.publish(forged, routing_key=stream)
        copied = aio_pika.Message(b"{}", headers={"CC": [f"{partition_of('k', PARTITIONS)}.payment.captured"]})
        exchange = await channel.get_exchange("shop.events", ensure=False)
        await exchange.publish(copied, routing_key="0.order.created")
    admin = open_broker(rabbit.admin_url, system="shop")
    await admin.start()
    try:
        assert "payment.captured" not in await everything(admin)
    finally:
        await admin.stop()


async def test_nobody_changes_the_exchange_and_the_streams_and_strangers_stay_out(rabbit: OwnRabbitMQ) -> None:
    steps: list[Callable[[AbstractChannel], Awaitable[object]]] = [
        lambda channel: channel.exchange_delete("shop.events"),
        lambda channel: channel.declare_exchange("shop.events", "fanout", durable=True),
        lambda channel: channel.queue_delete("shop.events.0"),
        bind,
    ]
    async with await aio_pika.connect(rabbit.url_for("orders")) as connection:
        for step in steps:
            with pytest.raises(ChannelAccessRefused):
                await step(await connection.channel())
    with pytest.raises(ConnectionError):
        await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{rabbit.port}/")


async def bind(channel: AbstractChannel) -> None:
    stream = await channel.get_queue("shop.events.0", ensure=False)
    await stream.bind("shop.events", routing_key="#")


def test_the_platform_makes_the_streams_as_the_adapter_would() -> None:
    assert rabbitmq_rights.PARTITIONS == PARTITIONS
    kept = {"x-max-age": f"{KEEP_DAYS}D", "x-stream-max-segment-size-bytes": SEGMENT}
    assert {"x-queue-type": "stream", **kept} == rabbitmq_rights.KEPT
