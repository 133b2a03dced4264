"""What flows through one partition: fetched as there is room, handled in lanes, acknowledged after the commit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from atoll.contracts import Unavailable
from atoll.crash import crash_point
from atoll.data.backoff import Backoff
from atoll.messaging.broker import Broker, Delivery, Subscription, SubscriptionEnded
from atoll.messaging.handling import Handling, Stopping
from atoll.messaging.incoming import Message, Routes, Undecodable
from atoll.messaging.lanes import Job, Lanes

log = logging.getLogger("atoll.messaging")

FETCH_WAIT = 30.0  # seconds
EXTEND_EVERY = 10.0  # seconds; a third of the acknowledgement wait


class Pump:
    """Reads one partition as long as it is ours. window: messages held at once, handled or waiting for their turn."""

    def __init__(
        self,
        broker: Broker,
        handling: Handling,
        routes: Routes,
        *,
        group: str,
        partition: int,
        limit: asyncio.Semaphore,
        window: int,
    ) -> None:
        self._broker = broker
        self._handling = handling
        self._routes = routes
        self._group = group
        self._partition = partition
        self._limit = limit
        self._window = window
        self._lanes = Lanes(limit, self._broken)
        self._stopping = False
        self._reading: asyncio.Task[None] | None = None
        self._held: dict[int, tuple[Delivery, float]] = {}
        self._retrying: set[int] = set()
        self._tasks = [
            asyncio.create_task(self._run(), name=f"consumer {group}/{partition}"),
            asyncio.create_task(self._extend(), name=f"consumer {group}/{partition}: extend"),
        ]

    def retry(self, seq: int, key: str) -> None:
        """Tries a parked message again, in its turn among the others of its key."""
        if seq not in self._retrying:
            self._retrying.add(seq)
            self._lanes.submit(key, lambda: self._retry(seq))

    async def stop(self) -> None:
        """Returns when the messages that are being handled are finished; the others stay with the broker."""
        self._handling.stop()
        self._stopping = (
            True  # cancelling alone may be lost inside of a client library (cpython#86296: asyncio.wait_for)
        )
        self._tasks[0].cancel()
        await asyncio.gather(self._tasks[0], return_exceptions=True)
        await self._lanes.drain()
        self._tasks[1].cancel()
        await asyncio.gather(self._tasks[1], return_exceptions=True)

    def _broken(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    async def _run(self) -> None:
        backoff = Backoff(first=0.05, most=2.0)
        while not self._stopping:
            try:
                subscription = await self._broker.subscribe(self._group, self._routes.subjects, self._partition)
                try:
                    if not self._stopping:
                        await self._read_until_end(subscription, backoff)
                finally:
                    await subscription.close()
            except (SubscriptionEnded, Unavailable) as error:
                log.debug("%s/%d is subscribed to again: %s", self._group, self._partition, error)
            except (
                Exception
            ):  # a partition must be read as long as it is ours; whatever it is, it is seen and tried again
                log.exception("reading %s/%d failed and starts again", self._group, self._partition)
            if not self._stopping:
                await self._start_over()
                await backoff.wait()

    async def _start_over(self) -> None:
        """What waited comes again with the next subscription, so only what runs is finished."""
        await self._lanes.drain()
        self._lanes = Lanes(self._limit, self._broken)
        self._held.clear()
        self._retrying.clear()

    async def _read_until_end(self, subscription: Subscription, backoff: Backoff) -> None:
        self._reading = asyncio.create_task(self._read(subscription, backoff), name=f"consumer {self._group}: read")
        try:
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.result()
        finally:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    async def _read(self, subscription: Subscription, backoff: Backoff) -> None:
        while True:
            await self._lanes.below(self._window)
            deliveries = await subscription.fetch(self._window - self._lanes.held, FETCH_WAIT)
            self._take(deliveries)
            backoff.reset()

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        now = time.monotonic()
        for delivery in deliveries:
            if delivery.sequence in self._held:
                continue  # it came again while it is being handled
            self._held[delivery.sequence] = (delivery, now)
            self._lanes.submit(*self._job(delivery))

    def _job(self, delivery: Delivery) -> tuple[str, Job]:
        try:
            incoming = self._routes.read(delivery.subject, self._partition, delivery.body)
        except Undecodable as error:
            name = f"{delivery.subject}/{self._partition}/{delivery.sequence}"  # what its own id is, nobody can tell
            message = Message(name, name, delivery.subject, self._partition, delivery.body)
            problem = error
            return name, lambda: self._handle(delivery, self._handling.undecodable(message, problem))
        return incoming.message.key, lambda: self._handle(delivery, self._handling.live(incoming))

    async def _handle(self, delivery: Delivery, handling: Coroutine[Any, Any, None]) -> None:
        try:
            await handling
            crash_point("before-acknowledge")
            await delivery.acknowledge()
            crash_point("after-acknowledge")
        except Stopping:
            log.debug("a message of %s stays with the broker", delivery.subject)
        finally:
            self._held.pop(delivery.sequence, None)

    async def _retry(self, seq: int) -> None:
        following: int | None = seq
        try:
            while following is not None:
                following = await self._handling.parked(following)
        except Stopping:
            log.debug("a parked message stays parked")
        finally:
            self._retrying.discard(seq)

    async def _extend(self) -> None:
        while True:
            await asyncio.sleep(EXTEND_EVERY)
            before = time.monotonic() - EXTEND_EVERY
            for delivery, since in list(self._held.values()):
                if since <= before:
                    await delivery.extend()
