"""Where a group is in each partition: read and written through Kafka's administrative calls.

librdkafka's ``committed()`` can wait for ever when the group's coordinator moves (librdkafka#5586); these calls look for the
coordinator each time and end in time. They are allowed for a group without members, and ours never has any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # the public module re-exports it without saying so

from atoll.data.backoff import Backoff
from atoll.messaging.kafka_options import error_of
from atoll.messaging.kafka_place import Place, decode_place

T = TypeVar("T")

TIMEOUT = 5.0  # seconds for one question to the broker, with its repetitions
PASSING = {  # a coordinator or a leader that starts or moves
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
}


class Places:
    """The committed places of one group in one topic. KafkaException or TimeoutError if the broker does not say."""

    def __init__(self, options: dict[str, Any], group: str, topic: str) -> None:
        self._admin = AdminClient(options)
        self._group = group
        self._topic = topic

    async def read(self, partitions: Sequence[int]) -> dict[int, tuple[int, Place]]:
        """Offset and what was written beside it, for each partition; offset 0 where nothing was committed."""
        states = await _patiently(lambda: self._ask(partitions))
        return {
            state.partition: (max(0, state.offset), decode_place(state.metadata) if state.offset >= 0 else Place())
            for state in states
        }

    async def write(self, places: Mapping[int, tuple[int, str]]) -> None:
        """Commits offset and metadata for each partition."""
        wanted = [TopicPartition(self._topic, number, offset, text) for number, (offset, text) in places.items()]
        await _patiently(lambda: self._commit(wanted))

    async def limits(self, partition: int) -> tuple[int, int]:
        """The first offset that is kept, and the one after the last."""
        first, end = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call] # they have no annotations
        low, high = await asyncio.gather(self._limit(partition, first), self._limit(partition, end))
        return low, high

    async def _limit(self, partition: int, which: OffsetSpec) -> int:
        where = TopicPartition(self._topic, partition)
        found = await _patiently(lambda: _result(self._admin.list_offsets({where: which})[where]))
        return int(found.offset)

    async def _ask(self, partitions: Sequence[int]) -> list[TopicPartition]:
        wanted = [TopicPartition(self._topic, number) for number in partitions]
        request = [ConsumerGroupTopicPartitions(self._group, wanted)]
        return _checked(await _result(self._admin.list_consumer_group_offsets(request)[self._group]))

    async def _commit(self, places: list[TopicPartition]) -> None:
        request = [ConsumerGroupTopicPartitions(self._group, places)]
        _checked(await _result(self._admin.alter_consumer_group_offsets(request)[self._group]))


async def _result(future: Future[Any]) -> Any:
    return await asyncio.wrap_future(future)


def _checked(reply: ConsumerGroupTopicPartitions) -> list[TopicPartition]:
    states = list(reply.topic_partitions or ())
    for state in states:
        if state.error is not None:
            raise KafkaException(state.error)
    return states


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    backoff = Backoff(first=0.05, most=0.5)
    async with asyncio.timeout(TIMEOUT):
        while True:
            try:
                return await ask()
            except KafkaException as exception:
                error = error_of(exception)
                if error is None or error.code() not in PASSING:
                    raise
            await backoff.wait()
