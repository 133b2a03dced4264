"""Where Kafka's partitions end, asked while one of them has no leader yet."""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from atoll.messaging import kafka_tail


class Electing:
    """Answers after so many errors."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)

    def get_watermark_offsets(self, _place: TopicPartition, **_: Any) -> tuple[int, int]:
        if self.codes:
            raise KafkaException(KafkaError(self.codes.pop(0)))
        return 0, 7


def end(consumer: Electing) -> int:
    found = kafka_tail._end(cast(Consumer, consumer), TopicPartition("shop.events", 0))
    return int(found.offset)


def test_a_partition_whose_leader_is_being_elected_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_tail, "AGAIN", 0.0)
    assert end(Electing(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)) == 7


def test_any_other_error_is_told_at_once() -> None:
    consumer = Electing(KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.NOT_LEADER_FOR_PARTITION)
    with pytest.raises(KafkaException):
        end(consumer)
    assert len(consumer.codes) == 1
