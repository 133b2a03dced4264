"""A process that produces, relays and consumes, and kills itself at a labelled point: run by test_faults."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from tests.messaging.conftest import Counted, consumer_of, recorder

from atoll.data import Database
from atoll.messaging import Relay, open_broker
from atoll.messaging import relay as relay_module
from atoll.messaging.nats_subscription import NatsDelivery

KEYS = 6
EACH = 25


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(label: str, after: int) -> None:
    """Dies at the ``after``-th time that the labelled point is reached."""
    count = 0

    def reached() -> None:
        nonlocal count
        count += 1
        if count == after:
            die()

    if label == "between commit and publish":
        Database.outbox_grew = lambda self: reached()  # type: ignore[method-assign]
    elif label == "between publish and mark":
        move: Callable[..., Awaitable[None]] = getattr(relay_module, "move_cursor")  # noqa: B009 - it is patched below

        async def mark(*arguments: Any) -> None:
            reached()
            await move(*arguments)

        setattr(relay_module, "move_cursor", mark)  # noqa: B010 - as above
    elif label == "between handler commit and acknowledgement":
        acknowledge = NatsDelivery.acknowledge

        async def acknowledged(self: NatsDelivery) -> None:
            reached()
            await acknowledge(self)

        NatsDelivery.acknowledge = acknowledged  # type: ignore[method-assign]


async def produce(database: Database, key: str) -> None:
    """The next numbers of the key; where it was is state of its own, in the same transaction as the event."""
    while True:
        async with database.work() as work:
            n = await work.fetchval("UPDATE producers SET n = n + 1 WHERE key = $1 AND n < $2 RETURNING n", key, EACH)
            if n is None:
                return
            await work.publish(Counted(key, n))
        await asyncio.sleep(random.random() * 0.01)


async def main(url: str, nats: str, system: str, label: str, after: str) -> None:
    database, broker = Database(url, service="test"), open_broker(nats, system=system)
    relay = Relay(database, broker, system=system, service="test")
    consumer = consumer_of(database, broker, recorder(str(os.getpid())))
    parts = [database, broker, relay, consumer]
    for part in parts:
        await part.start()  # type: ignore[attr-defined]
    arm(label, int(after))
    await asyncio.gather(*(produce(database, f"key{n}") for n in range(KEYS)))
    while True:
        async with database.connection() as connection:
            if await connection.fetchval("SELECT count(*) FROM ledger") >= KEYS * EACH:
                break
        await asyncio.sleep(0.05)
    for part in reversed(parts):
        await part.stop()  # type: ignore[attr-defined]


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
