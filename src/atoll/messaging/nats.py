"""NATS JetStream as the broker; with `nats_link` and `nats_subscription` the only files that know nats-py."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from atoll.data.backoff import Backoff
from atoll.messaging.broker import (
    PARTITIONS,
    BrokerUnavailable,
    NotAllPublished,
    Outgoing,
    partition_of,
    publish_each,
)
from atoll.messaging.nats_link import MOST_IN_BATCH, Link, LinkError
from atoll.messaging.nats_subscription import NatsSubscription, backlog, take_over
from atoll.messaging.nats_tail import NatsTail, look_on
from atoll.service.lifecycle import end

log = logging.getLogger("atoll.messaging")

MOST_BYTES = 4_194_304  # of a batch, which the server holds in memory
PATIENCE = 5.0  # seconds that a caller waits for the broker


class NatsBroker:
    """One stream a system, ``<system>-events``, in files, for 7 days; subjects ``<system>.<partition>.<event subject>``.

    url: ``nats://[user:password@]host:port``, several joined by commas. Every connection is a new `Link`: nothing of an
    old one, no buffered message and no subscription, lives on in a new one, for that would break the order.
    """

    def __init__(self, url: str, *, system: str, partitions: int = PARTITIONS) -> None:
        self.partitions = partitions
        self._servers = [one.strip() for one in url.split(",") if one.strip()]
        self._system = system
        self._link: Link | None = None
        self._linked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._trouble = "not started"

    async def start(self) -> None:
        """Returns at once; connects in the background, for ever."""
        self._stopping = False
        self._task = asyncio.create_task(self._stay_linked(), name="broker: connection")

    async def stop(self) -> None:
        """Disconnects."""
        if self._task is not None:
            self._stopping = True  # cancelling alone may be lost inside of nats-py (cpython#86296: asyncio.wait_for)
            await end(self._task)
            self._task = None

    async def check(self) -> None:
        """Raises if the broker is away."""
        if self._link is None:
            raise BrokerUnavailable(f"the broker is away: {self._trouble}")
        await self._link.ping()

    async def publish(self, subject: str, key: str, message_id: str, body: bytes) -> None:
        """See `Broker`."""
        link = self._link or await self._wait()
        await link.publish(f"{self._system}.{partition_of(key, self.partitions)}.{subject}", message_id, body)

    async def publish_all(self, messages: Sequence[Outgoing]) -> None:
        """See `Broker`. In batches that JetStream stores whole; one by one what it does not take so."""
        link = self._link or await self._wait()
        for start in range(0, len(messages), MOST_IN_BATCH):
            lot = messages[start : start + MOST_IN_BATCH]
            try:
                if not await self._publish_batch(link, lot):
                    await publish_each(self, lot)
            except NotAllPublished as error:
                raise NotAllPublished([*error.left, *messages[start + len(lot) :]], error.detail) from None
            except BrokerUnavailable as error:
                raise NotAllPublished(messages[start:], error.detail) from None

    async def _publish_batch(self, link: Link, lot: Sequence[Outgoing]) -> bool:
        if len(lot) == 1 or not link.takes_batches or sum(len(one.body) for one in lot) > MOST_BYTES:
            return False
        return await link.publish_batch(
            [
                (f"{self._system}.{partition_of(one.key, self.partitions)}.{one.subject}", one.message_id, one.body)
                for one in lot
            ]
        )

    async def subscribe(self, group: str, subjects: Sequence[str], partition: int) -> NatsSubscription:
        """See `Broker`."""
        link = self._link or await self._wait()
        prefix = f"{self._system}.{partition}."
        return await take_over(link, f"{group}__{partition}", prefix, subjects)

    async def tail(self, subjects: Sequence[str], since: datetime | None = None) -> NatsTail:
        """See `Broker`."""
        return await look_on(self._link or await self._wait(), self._system, subjects, since)

    async def backlog(self, group: str) -> int | None:
        """See `Broker`."""
        return await backlog(self._link or await self._wait(), f"{group}__")

    async def _wait(self) -> Link:
        try:
            async with asyncio.timeout(PATIENCE):
                while self._link is None:
                    await self._linked.wait()
        except TimeoutError:
            raise BrokerUnavailable(f"the broker is away: {self._trouble}", headers={"retry-after": "1"}) from None
        return self._link

    async def _stay_linked(self) -> None:
        backoff = Backoff(first=0.05, most=2.0)
        while not self._stopping:
            try:
                link = await Link.open(self._servers, self._system)
            except LinkError as error:
                self._note(str(error))
                await backoff.wait()
                continue
            backoff.reset()
            self._trouble = "the connection was lost"
            self._link = link
            self._linked.set()
            try:
                if not self._stopping:
                    await link.lost.wait()
            finally:
                self._link = None
                self._linked.clear()
                await asyncio.shield(link.close())  # also when it is stopped meanwhile

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("the broker is away: %s", trouble)
            self._trouble = trouble
