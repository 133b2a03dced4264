"""`Consumer`: hands events to the service's handlers, each effective once, in order by key, on any number of instances."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping

from atoll.contracts import Event, Unavailable, Upcaster
from atoll.contracts.policies import ConsumerPolicy
from atoll.data import Database, Weight
from atoll.data.partitions import Partitions
from atoll.data.postgres import DRIVER_ERRORS, one_line
from atoll.messaging import parking
from atoll.messaging.broker import Broker
from atoll.messaging.consumers import note_seen, paused_subjects
from atoll.messaging.handling import Handling
from atoll.messaging.incoming import Routes
from atoll.messaging.pump import Limits, Lots, Pump
from atoll.service import Handler
from atoll.service.lifecycle import end

log = logging.getLogger("atoll.messaging")

RETRY_EVERY = 1.0  # seconds between two looks for parked messages that are due, and for what was paused
RETRY_BATCH = 100
ORPHANS_EVERY = 60  # looks
_AWAY: tuple[type[Exception], ...] = (*DRIVER_ERRORS, Unavailable)


class Consumer:
    """Delivers events to the service's handlers; a `Component`.

    subscriptions: the handler for each event; it finds its unit of work in ``request.scope[Work]``, and the inbox row is in
    the same transaction. group: the service's name; the instances of a group share the work. policy: attempts, times and
    bounds, for all events and for each. batched: events whose handlers want a list of them, and handle it as one.
    upcasters: how older versions of the events are read. weight: this instance's part of the work.

    A handler that fails is tried 3 times at once, then after 10 s, 1 min and 10 min, then its message is a dead letter.
    """

    def __init__(
        self,
        database: Database,
        broker: Broker,
        subscriptions: Mapping[type[Event], Handler],
        *,
        group: str,
        policy: ConsumerPolicy | None = None,
        batched: Collection[type[Event]] = (),
        upcasters: Iterable[Upcaster] = (),
        weight: Weight | None = None,
    ) -> None:
        self._database = database
        self._broker = broker
        self._group = group
        policy = policy or ConsumerPolicy()
        self._window = policy.window
        self._routes = Routes(subscriptions, policy=policy, batched=batched, upcasters=upcasters)
        self._limits = Limits(policy, self._routes)
        self._lots = self._new_lots()
        self._pumps: dict[int, Pump] = {}
        self._retrying: asyncio.Task[None] | None = None
        self._partitions = Partitions(
            database, group, broker.partitions,
            taken=self._taken, released=self._released, lost=self._lost, weight=weight,
        )  # fmt: skip

    async def start(self) -> None:
        """Begins, without waiting for database or broker."""
        if self._routes.subjects:
            await self._partitions.start()
            self._retrying = asyncio.create_task(self._retry(), name=f"consumer {self._group}: parked")

    async def stop(self) -> None:
        """Stops after the current messages; the others stay with the broker."""
        retrying, self._retrying = self._retrying, None
        try:
            await end(retrying)
            self._lots.stop()
            await self._partitions.stop()
        except asyncio.CancelledError:
            self._partitions.leave()
            await self._lots.cut_off()
            raise

    @property
    def partitions(self) -> frozenset[int]:
        """Which partitions this instance reads now."""
        return self._partitions.mine

    @property
    def held(self) -> int:
        """How many messages it has taken from the broker and not finished."""
        return sum(pump.held for pump in self._pumps.values())

    def _taken(self, partition: int) -> None:
        handling = Handling(self._database, self._routes, consumer=self._group)
        self._pumps[partition] = Pump(
            self._broker,
            handling,
            self._routes,
            group=self._group,
            partition=partition,
            limits=self._limits,
            batches=self._lots.batches,
            window=self._window,
            wanted=self._wanted,
        )

    async def _released(self, partition: int) -> None:
        pump = self._pumps.get(partition)
        if pump is not None:
            await pump.stop()
            self._pumps.pop(partition, None)  # not before: if this is cancelled, `_lost` must find it

    async def _lost(self) -> None:
        self._lots.stop()
        await asyncio.gather(*(self._released(partition) for partition in list(self._pumps)))
        self._lots = self._new_lots()

    def _new_lots(self) -> Lots:
        return Lots(Handling(self._database, self._routes, consumer=self._group), self._routes, self._limits)

    async def _wanted(self) -> frozenset[str]:
        async with self._database.connection() as connection:
            return frozenset(self._routes.subjects) - await paused_subjects(connection, self._group)

    async def _retry(self) -> None:
        looks = 0
        while True:
            try:
                await self._look_for_due(orphans=looks % ORPHANS_EVERY == 0)
                looks += 1
            except _AWAY as error:
                log.debug("parked messages wait, the database is away: %s", one_line(error))
            await asyncio.sleep(RETRY_EVERY)

    async def _look_for_due(self, *, orphans: bool) -> None:
        mine = list(self._pumps)
        async with self._database.connection() as connection:
            if orphans:
                await note_seen(connection, self._group, self._routes.subjects)
                await parking.adopt_orphans(connection, self._group, mine)
            paused = await paused_subjects(connection, self._group)
            due = await parking.due(connection, self._group, mine, RETRY_BATCH, paused) if mine else []
        for reading in self._pumps.values():
            reading.refresh(paused)
        for seq, partition, key in due:
            if (pump := self._pumps.get(partition)) is not None:
                pump.retry(seq, key)
