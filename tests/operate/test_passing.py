"""Looking on while events pass."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.operate.conftest import Placed

from atoll.data import Database
from atoll.messaging import Relay, open_broker
from atoll.messaging.memory import MemoryBroker
from atoll.operate import Databases, PassingEvent, backlogs, republish, watch
from atoll.testing import NatsServer


async def test_events_pass_with_key_version_and_data(database: Database) -> None:
    broker = MemoryBroker()
    relay = Relay(database, broker, system="shop", service="orders")
    await relay.start()
    passing = watch(broker, follow=True)
    first = asyncio.ensure_future(anext(passing))
    await asyncio.sleep(0)
    async with database.work() as work:
        await work.publish(Placed("17"))
    event = await asyncio.wait_for(first, 10)
    assert (event.subject, event.source, event.key, event.version) == ("order.placed", "/shop/orders", "17", 1)
    assert (event.data, event.trouble) == ({"order": "17"}, "")
    await passing.aclose()
    await relay.stop()


async def test_what_is_no_event_is_shown_all_the_same_and_a_key_is_looked_for() -> None:
    broker = MemoryBroker()
    await broker.publish("order.placed", "1", "a", b"rubbish")
    await broker.publish("order.placed", "1", "b", b'{"specversion":"1.0","id":"b","source":"/x","type":"t","data":[]}')
    since = datetime.now(UTC) - timedelta(minutes=1)
    found = [one async for one in watch(broker, since=since)]
    assert [(one.data, bool(one.trouble)) for one in found] == [("rubbish", True), ([], False)]
    assert [one.id async for one in watch(broker, since=since, key="b")] == ["b"]


async def test_following_goes_on_over_a_broker_that_restarts() -> None:
    with NatsServer() as server:
        broker = open_broker(server.url, system=f"s{uuid4().hex[:8]}")
        await broker.start()
        seen: list[PassingEvent] = []

        async def look() -> None:
            since = datetime.now(UTC) - timedelta(minutes=1)
            async for event in watch(broker, follow=True, since=since):
                seen.append(event)  # noqa: PERF401 - they are looked at meanwhile

        looking = asyncio.create_task(look())
        await broker.publish("order.placed", "1", "before", b"before")
        await _until(lambda: len(seen) == 1)
        server.kill()
        server.start()
        while True:
            try:
                await broker.publish("order.placed", "1", "after", b"after")
                break
            except Exception:  # until it is back
                await asyncio.sleep(0.1)
        await _until(lambda: len(seen) == 2)
        assert [one.data for one in seen] == ["before", "after"]
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await broker.stop()


async def test_a_stretch_of_time_is_published_again_by_subject(database: Database, databases: Databases) -> None:
    broker = MemoryBroker()
    relay = Relay(database, broker, system="shop", service="orders")
    await relay.start()
    passing = watch(broker, follow=True, since=datetime.now(UTC) - timedelta(minutes=1))
    async with database.work() as work:
        await work.publish(Placed("17"))
    first = await asyncio.wait_for(anext(passing), 10)
    now = datetime.now(UTC) + timedelta(seconds=1)
    hour = timedelta(hours=1)
    assert (await republish(databases, "payments", now - hour, now, subject="order.lost")).events == 0
    assert (await republish(databases, "payments", now - hour, now, subject="order.placed")).events == 1
    again = await asyncio.wait_for(anext(passing), 10)
    assert (again.id, again.data) == (first.id, first.data)
    assert again.sequence != first.sequence
    await passing.aclose()
    await relay.stop()


async def _until(what: object, within: float = 20.0) -> None:
    assert callable(what)
    async with asyncio.timeout(within):
        while not what():
            await asyncio.sleep(0.05)


async def test_a_broker_that_is_away_has_an_unknown_backlog() -> None:
    broker = MemoryBroker()
    await broker.subscribe("payments", ["order.placed"], 3)
    assert await backlogs(broker, ["payments", "orders"]) == {"payments": 0, "orders": 0}
    broker.away = True
    assert await backlogs(broker, ["payments", "orders"]) == {"payments": None, "orders": None}
