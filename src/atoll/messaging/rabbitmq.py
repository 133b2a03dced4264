"""RabbitMQ streams as the broker; with `rabbitmq_link` and `rabbitmq_subscription` the only files that know aio-pika."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from atoll.messaging.broker import PARTITIONS, Outgoing, partition_of, publish_each
from atoll.messaging.floors import check_size
from atoll.messaging.links import Links
from atoll.messaging.rabbitmq_link import Link
from atoll.messaging.rabbitmq_subscription import RabbitSubscription, take_over
from atoll.messaging.rabbitmq_tail import RabbitTail, look_on


class RabbitBroker:
    """One stream a partition, ``<system>.events.<partition>``, kept for 7 days, replicated by the cluster.

    A queue hands a message to one consumer and forgets it; this port's groups start with the oldest message, some of them
    long after it was published. Streams are RabbitMQ's (3.9 and newer) replicated logs, and do that.

    url: ``amqp://[user:password@]host:port[/vhost]``, ``amqps://`` for TLS; a cluster's nodes joined by commas.
    """

    def __init__(self, url: str, *, system: str, partitions: int = PARTITIONS) -> None:
        self.partitions = partitions
        self._servers = [one.strip() for one in url.split(",") if one.strip()]
        self._system = system
        self._links = Links(self._open)
        self._newest: dict[tuple[str, int], RabbitSubscription] = {}

    async def start(self) -> None:
        """Returns at once; connects in the background, for ever."""
        self._links.start()

    async def stop(self) -> None:
        """Writes down what was acknowledged, and disconnects."""
        await asyncio.gather(*(subscription.close() for subscription in self._newest.values()))
        self._newest.clear()
        await self._links.stop()

    async def check(self) -> None:
        """Raises if the broker is away."""
        await self._links.linked().ping()

    async def publish(self, subject: str, key: str, message_id: str, body: bytes) -> None:
        """See `Broker`; a body has at most 1 MiB."""
        check_size(subject, message_id, body)
        link = self._links.current or await self._links.get()
        await link.publish(partition_of(key, self.partitions), subject, message_id, body)

    async def publish_all(self, messages: Sequence[Outgoing]) -> None:
        """See `Broker`."""
        await publish_each(self, messages)

    async def subscribe(self, group: str, subjects: Sequence[str], partition: int) -> RabbitSubscription:
        """See `Broker`."""
        link = await self._links.get()
        older = self._newest.pop((group, partition), None)
        if older is not None:
            await older.close()  # ours: it hands over what it knows
        subscription = await take_over(link, group, subjects, partition)
        self._newest[group, partition] = subscription
        return subscription

    async def tail(self, subjects: Sequence[str], since: datetime | None = None) -> RabbitTail:
        """See `Broker`. RabbitMQ keeps the time of a bundle of messages: it may begin some earlier."""
        return await look_on(await self._links.get(), self.partitions, subjects, since)

    async def backlog(self, group: str) -> int | None:  # noqa: ARG002 - the port's signature
        """None: RabbitMQ tells how far a reader is to the readers of its own protocol only."""
        return None

    async def _open(self) -> Link:
        self._servers.append(self._servers.pop(0))  # another node each time
        return await Link.open(self._servers[-1], self._system, self.partitions)
