"""Looking on at Kafka's topic: all partitions assigned by hand, no group joined and nothing committed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from atoll.messaging.broker import BrokerUnavailable, Passing, SubscriptionEnded
from atoll.messaging.kafka_link import header
from atoll.messaging.kafka_options import Call, one_line

TIMEOUT = 5.0  # seconds
AGAIN = 0.1  # seconds between two questions about a partition that has no leader yet
_ELECTING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
)  # just after a topic is made, or a broker starts
_GONE = (KafkaError._ALL_BROKERS_DOWN, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION)


async def look_on(
    options: dict[str, Any], system: str, partitions: int, subjects: Sequence[str], since: datetime | None, call: Call
) -> KafkaTail:
    """A tail of the system's topic."""
    consumer = Consumer({**options, "group.id": f"{system}.tail-{secrets.token_hex(6)}", "enable.auto.commit": False})
    try:
        await call(lambda: _assign(consumer, [TopicPartition(f"{system}.events", n) for n in range(partitions)], since))
    except KafkaException as error:
        await call(consumer.close)
        raise BrokerUnavailable(f"the broker shows nothing: {one_line(error)}") from None
    return KafkaTail(consumer, frozenset(subjects), call)


def _marks(consumer: Consumer, place: TopicPartition) -> tuple[int, int] | None:
    """The partition's first and next offset; asked again while its leader is being elected."""
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            found: tuple[int, int] | None = consumer.get_watermark_offsets(place, timeout=TIMEOUT)
        except KafkaException as error:
            if error.args[0].code() not in _ELECTING or time.monotonic() > until:
                raise
            time.sleep(AGAIN)  # in a thread of its own: see Call
        else:
            return found


def _assign(consumer: Consumer, places: list[TopicPartition], since: datetime | None) -> None:
    """From the ends as they are now, not as they are when the first fetch begins."""
    ends = [_end(consumer, one) for one in places]
    if since is None:
        consumer.assign(ends)
        return
    milliseconds = int(since.timestamp() * 1000)
    asked = [TopicPartition(one.topic, one.partition, milliseconds) for one in places]
    found = consumer.offsets_for_times(asked, timeout=TIMEOUT)
    consumer.assign([end if one.offset == OFFSET_END else one for one, end in zip(found, ends, strict=True)])


def _end(consumer: Consumer, place: TopicPartition) -> TopicPartition:
    marks = _marks(consumer, place)
    if marks is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the broker did not say where its partitions end"))
    return TopicPartition(place.topic, place.partition, marks[1])


class KafkaTail:
    """See `Tail`."""

    def __init__(self, consumer: Consumer, subjects: frozenset[str], call: Call) -> None:
        self._consumer = consumer
        self._subjects = subjects
        self._call = call
        self._trouble = ""

    async def fetch(self, limit: int, wait: float) -> list[Passing]:
        """See `Tail`. A message of another subject ends the wait as well."""
        if self._trouble:
            raise SubscriptionEnded(self._trouble)
        messages = await self._call(lambda: self._some(limit, wait))
        found = [passing for message in messages if (passing := self._passing(message)) is not None]
        if self._trouble and not found:
            raise SubscriptionEnded(self._trouble)
        return found

    async def close(self) -> None:
        """See `Tail`."""
        await self._call(self._consumer.close)

    def _some(self, limit: int, wait: float) -> list[Message[Any, Any]]:
        """`consume` waits until it has all that it was asked for, so it is asked without waiting once there is one."""
        first = self._consumer.poll(wait)
        return [] if first is None else [first, *self._consumer.consume(limit - 1, 0)]

    def _passing(self, message: Message[Any, Any]) -> Passing | None:
        error = message.error()
        if error is not None:
            if error.code() in _GONE:
                self._trouble = f"the connection was lost: {error.name()}"
            return None
        subject = header(message, "subject")
        if self._subjects and subject not in self._subjects:
            return None
        return Passing(subject, message.partition() or 0, (message.offset() or 0) + 1, message.value() or b"")
