"""What flows through one partition: fetched as there is room, handled in lanes, acknowledged after the commit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from atoll.contracts import Unavailable
from atoll.contracts.policies import ConsumerPolicy
from atoll.crash import crash_point
from atoll.data.backoff import Backoff
from atoll.messaging.batch import Batch
from atoll.messaging.broker import Broker, Delivery, Subscription, SubscriptionEnded
from atoll.messaging.handling import Handling, Stopping
from atoll.messaging.incoming import Incoming, Message, Routes, Undecodable
from atoll.messaging.lanes import Lanes
from atoll.service.lifecycle import end

log = logging.getLogger("atoll.messaging")

FETCH_WAIT = 30.0  # seconds
EXTEND_EVERY = 10.0  # seconds; a third of the acknowledgement wait


class Limits:
    """Handlers at once in an instance: of all events, and of those that have a bound of their own."""

    def __init__(self, policy: ConsumerPolicy, routes: Routes) -> None:
        self.all = asyncio.Semaphore(policy.in_flight)
        bounds = {subject: routes.policy(subject).in_flight for subject in routes.subjects}
        self.own = {subject: asyncio.Semaphore(bound) for subject, bound in bounds.items() if bound is not None}


Lotted = tuple["Pump", Delivery, Incoming]


class Lots:
    """What all partitions of an instance share for handlers of lists. handling: of the whole instance, stopped with it."""

    def __init__(self, handling: Handling, routes: Routes, limits: Limits) -> None:
        self._handling = handling
        self.batches = {
            subject: Batch(limits.all, routes.policy(subject).batch, self._handle) for subject in routes.batched
        }

    def stop(self) -> None:
        """Attempts that run go on to their end; none begins any more, and what waits stays with the broker."""
        self._handling.stop()

    async def cut_off(self) -> None:
        """Cancels the lots that are being handled: they stay with the broker."""
        await asyncio.gather(*(batch.cut_off() for batch in self.batches.values()))

    async def _handle(self, lot: Sequence[Lotted]) -> None:
        try:
            await self._handling.batch([incoming for _, _, incoming in lot])
            crash_point("before-acknowledge")
            for _, delivery, _ in lot:
                await delivery.acknowledge()
            crash_point("after-acknowledge")
        except Stopping:
            log.debug("%d messages of %s stay with the broker", len(lot), lot[0][1].subject)
        finally:
            for pump, delivery, _ in lot:
                pump.done(delivery)


class Pump:
    """Reads one partition as long as it is ours. wanted: asks which subjects are not paused.

    limits: handlers at once, see `Limits`. window: messages held at once, handled or waiting for their turn. batches: where the
    messages go whose handlers want lists, by subject; all partitions of an instance share them, so that lots become large.
    """

    def __init__(
        self,
        broker: Broker,
        handling: Handling,
        routes: Routes,
        *,
        group: str,
        partition: int,
        limits: Limits,
        batches: Mapping[str, Batch[Lotted]],
        window: int,
        wanted: Callable[[], Awaitable[frozenset[str]]],
    ) -> None:
        self._broker = broker
        self._handling = handling
        self._routes = routes
        self._group = group
        self._partition = partition
        self._limits = limits
        self._window = window
        self._wanted = wanted
        self._stale = asyncio.Event()
        self._lanes = Lanes(limits.all, self._broken)
        self._batches = batches
        self._stopping = False
        self._reading: asyncio.Task[None] | None = None
        self._held: dict[int, tuple[Delivery, float]] = {}
        self._retrying: set[int] = set()
        self._tasks = [
            asyncio.create_task(self._run(), name=f"consumer {group}/{partition}"),
            asyncio.create_task(self._extend(), name=f"consumer {group}/{partition}: extend"),
        ]

    @property
    def held(self) -> int:
        """How many messages wait here or are being handled."""
        return self._lanes.held

    def retry(self, seq: int, key: str) -> None:
        """Tries a parked message again, in its turn among the others of its key."""
        if seq not in self._retrying:
            self._retrying.add(seq)
            self._lanes.submit(key, lambda: self._retry(seq))

    def refresh(self, paused: frozenset[str]) -> None:
        """Stops reading what is paused, and reads again what is not. What runs is finished; what waits comes again."""
        if paused.intersection(self._routes.subjects) != self._handling.paused:
            self._stale.set()
            self._broken()

    async def stop(self) -> None:
        """Returns when the messages that are being handled are finished; the others stay with the broker.

        Cancelled, it cuts their handlers off, and they stay with the broker as well.
        """
        self._handling.stop()
        self._stopping = (
            True  # cancelling alone may be lost inside of a client library (cpython#86296: asyncio.wait_for)
        )
        reading, extending = self._tasks
        try:
            await end(reading)
            await self._lanes.drain()
        except asyncio.CancelledError:
            await self._lanes.cut_off()
            raise
        finally:
            await end(extending)

    def _broken(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    async def _run(self) -> None:
        backoff = Backoff(first=0.05, most=2.0)
        while not self._stopping:
            try:
                subjects = await self._subjects()
                subscription = await self._broker.subscribe(self._group, subjects, self._partition)
                try:
                    if not self._stopping and not self._stale.is_set():
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

    async def _subjects(self) -> Sequence[str]:
        """Those that are wanted, as soon as there are any."""
        while True:
            self._stale.clear()
            wanted = await self._wanted()
            self._handling.paused = frozenset(self._routes.subjects) - wanted
            if wanted:
                return sorted(wanted)
            await self._stale.wait()

    async def _start_over(self) -> None:
        """What waited comes again with the next subscription, so only what runs is finished."""
        await self._lanes.drain()
        self._lanes = Lanes(self._limits.all, self._broken)
        self._held.clear()
        self._retrying.clear()

    async def _read_until_end(self, subscription: Subscription, backoff: Backoff) -> None:
        self._reading = asyncio.create_task(self._read(subscription, backoff), name=f"consumer {self._group}: read")
        try:
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.result()
        finally:
            await end(self._reading)
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
            self._submit(delivery)

    def _submit(self, delivery: Delivery) -> None:
        try:
            incoming = self._routes.read(delivery.subject, self._partition, delivery.body)
        except Undecodable as error:
            name = f"{delivery.subject}/{self._partition}/{delivery.sequence}"  # what its own id is, nobody can tell
            message = Message(name, name, delivery.subject, self._partition, delivery.body)
            problem = error
            self._lanes.submit(name, lambda: self._handle(delivery, self._handling.undecodable(message, problem)))
            return
        key = incoming.message.key
        if (batch := self._batches.get(delivery.subject)) is not None:
            self._lanes.submit_to(key, batch, (self, delivery, incoming))
        else:
            own = self._limits.own.get(delivery.subject)
            self._lanes.submit(key, lambda: self._handle(delivery, self._handling.live(incoming)), own)

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

    def done(self, delivery: Delivery) -> None:
        """A message of a lot is dealt with, or stays with the broker."""
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
