"""Kafka as the broker; with `kafka_link`, `kafka_group` and `kafka_options` the only files that know confluent-kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from atoll.messaging.broker import PARTITIONS, Outgoing, partition_of, publish_each
from atoll.messaging.floors import check_size
from atoll.messaging.kafka_group import GroupReader
from atoll.messaging.kafka_link import Link
from atoll.messaging.kafka_options import connection_options
from atoll.messaging.kafka_subscription import KafkaSubscription
from atoll.messaging.kafka_tail import KafkaTail, look_on
from atoll.messaging.links import Links

T = TypeVar("T")

THREADS = 4  # for the library's calls that block: metadata, places, closing


class KafkaBroker:
    """One topic a system, ``<system>.events``, kept for 7 days, with as many partitions as the system has.

    Beside it ``<system>.readers``, compacted: who reads which partition for which group, and how far it got.

    url: ``kafka://[user:password@]host:port[,host:port]``, ``kafka+tls://`` for TLS; ``?sasl=SCRAM-SHA-256`` names another
    mechanism than SCRAM-SHA-512. ValueError if it makes no sense.
    """

    def __init__(self, url: str, *, system: str, partitions: int = PARTITIONS) -> None:
        self.partitions = partitions
        self._options = connection_options(url)
        self._system = system
        self._links = Links(lambda: Link.open(self._options, system, self.partitions, self._call))
        self._groups: dict[str, GroupReader] = {}
        self._threads: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Returns at once; connects in the background, for ever."""
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="kafka")
        self._links.start()

    async def stop(self) -> None:
        """Writes down what was acknowledged, and disconnects."""
        for group in self._groups.values():
            await group.close()
        self._groups.clear()
        await self._links.stop()
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    async def check(self) -> None:
        """Raises if the broker is away."""
        await self._links.linked().ping()

    async def publish(self, subject: str, key: str, message_id: str, body: bytes) -> None:
        """See `Broker`; a body has at most 1 MiB."""
        check_size(subject, message_id, body)
        link = self._links.current or await self._links.get()
        await link.publish(partition_of(key, self.partitions), subject, key, message_id, body)

    async def publish_all(self, messages: Sequence[Outgoing]) -> None:
        """See `Broker`."""
        await publish_each(self, messages)

    async def subscribe(self, group: str, subjects: Sequence[str], partition: int) -> KafkaSubscription:
        """See `Broker`."""
        await self._links.get()  # the topic exists
        reader = self._groups.get(group)
        if reader is None:
            reader = GroupReader(self._options, self._system, group, self._call, self._append)
            self._groups[group] = reader
        return await reader.take_over(partition, subjects)

    async def tail(self, subjects: Sequence[str], since: datetime | None = None) -> KafkaTail:
        """See `Broker`. It takes a thread while it waits."""
        await self._links.get()  # the topic exists
        return await look_on(self._options, self._system, self.partitions, subjects, since, self._call)

    async def backlog(self, group: str) -> int | None:  # noqa: ARG002 - the port's signature
        """None: how far a group is stands in a topic of ours, which is read at a take-over only."""
        return None

    async def _append(self, partition: int, key: str, body: bytes) -> None:
        await self._links.linked().append(partition, key, body)

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)
