"""What a service may do at the broker of a running system: publish its own events, and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from atoll.messaging import open_broker
from atoll.messaging.broker import Broker, BrokerUnavailable
from atoll.platform.local.accounts import Rights, make_accounts
from atoll.platform.local.folder import Folder
from atoll.platform.local.nats import OwnNats
from atoll.system import Service, System
from atoll.testing.servers import free_port

SYSTEM = System("shop", services=tuple(Service(name, events=True) for name in ("orders", "payments", "stranger")))
RIGHTS = {
    "orders": Rights(("order.created",), ("payment.captured",)),
    "payments": Rights(("payment.captured",), ("order.created",)),
}


@pytest.fixture(name="server")
async def server_fixture(tmp_path: Path) -> AsyncIterator[OwnNats]:
    folder = Folder(tmp_path / ".atoll")
    folder.create()
    server = OwnNats(folder, free_port(), make_accounts(SYSTEM, folder), durable=False)
    await server.grant(RIGHTS)
    await server.start(lambda _: None)
    yield server
    assert server.keeper is not None
    await server.keeper.stop()


async def connected(server: OwnNats, service: str) -> Broker:
    broker = open_broker(server.url_for(service), system="shop")
    await broker.start()
    return broker


async def raw(server: OwnNats, service: str, errors: list[str]) -> Client:
    async def note(error: Exception) -> None:
        errors.append(str(error))

    return await nats.connect(server.url_for(service), error_cb=note, inbox_prefix=f"_INBOX.{service}")


async def test_events_go_from_the_one_that_publishes_to_the_one_that_consumes(server: OwnNats) -> None:
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


async def test_another_services_event_is_refused(server: OwnNats) -> None:
    orders = await connected(server, "orders")
    try:
        await orders.publish("order.created", "k", "1", b"{}")
        with pytest.raises(BrokerUnavailable, match=r"(?i)permissions violation for publish"):
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


async def test_a_service_that_consumes_nothing_reads_nothing(server: OwnNats) -> None:
    stranger = await connected(server, "stranger")
    try:
        with pytest.raises(BrokerUnavailable):
            await stranger.subscribe("stranger", ["order.created"], 0)
    finally:
        await stranger.stop()


async def test_nobody_listens_to_the_subjects_or_to_others_inboxes(server: OwnNats) -> None:
    errors: list[str] = []
    client = await raw(server, "orders", errors)
    for subject in ("shop.>", "_INBOX.>", "_INBOX.payments.>"):
        await client.subscribe(subject)
    await client.flush()
    await client.close()
    assert len([error for error in errors if "permissions violation" in error.lower()]) == 3


async def test_nobody_changes_the_stream(server: OwnNats) -> None:
    await (orders := await connected(server, "orders")).publish("order.created", "k", "1", b"{}")
    await orders.stop()
    errors: list[str] = []
    client = await raw(server, "orders", errors)
    for verb in ("UPDATE", "DELETE", "PURGE"):
        await client.publish(f"$JS.API.STREAM.{verb}.shop-events", b"{}")
    await client.flush()
    await client.close()
    assert len(errors) == 3


async def test_new_rights_are_there_at_once(server: OwnNats) -> None:
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

        async with asyncio.timeout(40):
            while not await published():
                await asyncio.sleep(0.1)
    finally:
        await orders.stop()
