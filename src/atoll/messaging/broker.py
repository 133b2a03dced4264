"""The port to what carries messages between services.

A broker keeps messages for days in a fixed number of partitions; the key says which. Each group of consumers reads every
partition once, in order, one subscription at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import Protocol
from urllib.parse import urlsplit
from zlib import crc32

from atoll.contracts import Unavailable

PARTITIONS = 8  # instances of a service that can consume at once; a system's brokers and services must agree on it
KEEP_DAYS = 7  # how long a broker keeps messages; an inbox remembers longer
DEDUPE_SECONDS = 120  # how long a broker drops a message id that it knows


class BrokerUnavailable(Unavailable):
    """The broker is away; what was to be published is not acknowledged."""


class SubscriptionEnded(Exception):
    """Another subscription took the partition over, or the connection was lost; subscribe again if it is still yours."""


class Delivery(Protocol):
    """One message, delivered. sequence: its place in its partition, the same in every delivery of it. subject: the event's."""

    subject: str
    body: bytes
    sequence: int

    async def acknowledge(self) -> None:
        """It is dealt with. If this gets lost, the message comes again."""

    async def extend(self) -> None:
        """It is still being dealt with."""


class Subscription(Protocol):
    """The messages of one partition, in order, from the first that the group has not acknowledged."""

    async def fetch(self, limit: int, wait: float) -> Sequence[Delivery]:
        """The next messages, up to ``limit``, as soon as there is one; none after ``wait`` seconds.

        SubscriptionEnded when it has ended.
        """
        ...

    async def close(self) -> None:
        """No more messages; those not acknowledged go to the next subscription."""


@dataclass(frozen=True, slots=True)
class Passing:
    """A message as an onlooker sees it. sequence: its place in its partition."""

    subject: str
    partition: int
    sequence: int
    body: bytes


class Tail(Protocol):
    """What passes in all partitions: in order within a partition, and each message once."""

    async def fetch(self, limit: int, wait: float) -> Sequence[Passing]:
        """The next messages, up to ``limit``, as soon as there is one; none after ``wait`` seconds.

        SubscriptionEnded when the connection was lost: what passed since then is in a new tail from that time on.
        """
        ...

    async def close(self) -> None:
        """Looks no more; nothing of it stays at the broker."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be published, as `Broker.publish` takes it."""

    subject: str
    key: str
    message_id: str
    body: bytes


class NotAllPublished(BrokerUnavailable):
    """left: those of the messages of which it is not known that the broker has them, in their order."""

    def __init__(self, left: Sequence[Outgoing], why: str) -> None:
        super().__init__(why)
        self.left = left


class Broker(Protocol):
    """What carries messages. A `Component`, with a readiness check."""

    partitions: int

    async def start(self) -> None:
        """Returns at once; connects in the background, for ever."""

    async def stop(self) -> None:
        """Disconnects."""

    async def check(self) -> None:
        """Raises if the broker is away."""

    async def publish(self, subject: str, key: str, message_id: str, body: bytes) -> None:
        """Returns when the broker has the message safely; BrokerUnavailable if that is not known.

        A message id that was published in the last two minutes is dropped. Order is kept between one call and the next.
        """

    async def publish_all(self, messages: Sequence[Outgoing]) -> None:
        """`publish` for many: as one where the broker can, else all at once, except that those of one key wait for one another.

        NotAllPublished when that is not known of some of them.
        """

    async def subscribe(self, group: str, subjects: Sequence[str], partition: int) -> Subscription:
        """Takes the partition over for the group: messages not acknowledged come again, in order; older subscriptions end.

        A new group starts with the oldest message that is kept, and so does a subject that is new to its group.
        """
        ...

    async def tail(self, subjects: Sequence[str], since: datetime | None = None) -> Tail:
        """Looks on without a part in it: no group notices. subjects: none means all of them.

        since: from what the broker got at that time, perhaps a little earlier; None: from now on.
        """
        ...

    async def backlog(self, group: str) -> int | None:
        """How many messages the group has not acknowledged; None if this broker does not tell. BrokerUnavailable."""


async def publish_each(broker: Broker, messages: Sequence[Outgoing]) -> None:
    """`Broker.publish_all` for a broker that takes one message at a time."""
    chains: dict[str, list[Outgoing]] = {}
    for message in messages:
        chains.setdefault(message.key, []).append(message)
    known: set[int] = set()
    troubles: list[Unavailable] = []

    async def publish_chain(chain: Sequence[Outgoing]) -> None:
        try:
            for message in chain:
                await broker.publish(message.subject, message.key, message.message_id, message.body)
                known.add(id(message))
        except Unavailable as error:
            troubles.append(error)

    async with asyncio.TaskGroup() as group:
        for chain in chains.values():
            group.create_task(publish_chain(chain))
    if troubles:
        raise NotAllPublished([message for message in messages if id(message) not in known], troubles[0].detail)


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: CRC-32 of its UTF-8, modulo their number; any language can do it."""
    return crc32(key.encode()) % partitions


def open_broker(url: str, *, system: str) -> Broker:
    """The adapter for ``nats://[user:password@]host:port``, ``amqp://``, ``kafka://`` or ``memory://``.

    ValueError says which schemes there are, or which extra is missing.
    """
    scheme = urlsplit(url).scheme
    if scheme in {"nats", "tls"}:
        from atoll.messaging.nats import NatsBroker

        return NatsBroker(url, system=system)
    if scheme in {"amqp", "amqps"}:
        _need("aio_pika", "rabbitmq")
        from atoll.messaging.rabbitmq import RabbitBroker

        return RabbitBroker(url, system=system)
    if scheme in {"kafka", "kafka+tls"}:
        _need("confluent_kafka", "kafka")
        from atoll.messaging.kafka import KafkaBroker

        return KafkaBroker(url, system=system)
    if scheme == "memory":
        from atoll.messaging.memory import MemoryBroker

        return MemoryBroker()
    raise ValueError(
        f"no broker speaks {scheme or 'an address without a scheme'}; "
        "give nats://host:port, amqp://host:port, kafka://host:port or memory://"
    )


def _need(library: str, extra: str) -> None:
    if find_spec(library) is None:
        raise ValueError(f"the broker's library is not installed; install atoll[{extra}]")
