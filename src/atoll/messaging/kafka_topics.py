"""The topics of a system, made where they don't exist; what exists keeps the settings that its operator gave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from atoll.messaging.broker import KEEP_DAYS
from atoll.messaging.floors import MAX_BODY
from atoll.messaging.kafka_options import error_of

TIMEOUT = 5.0  # seconds
OVERHEAD = 65_536  # bytes of a batch that are not the body
REPLICAS = 3  # of each partition, in a cluster that has so many brokers; all but one must have a message
EVENTS = {
    "cleanup.policy": "delete",
    "retention.ms": str(KEEP_DAYS * 86_400_000),
    "max.message.bytes": str(MAX_BODY + OVERHEAD),
}
READERS = {  # read from its beginning at every take-over, so it is kept small
    "cleanup.policy": "compact",
    "segment.bytes": "1048576",
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.1",
}


def ensure_topics(
    producer: Producer, options: dict[str, Any], topics: Mapping[str, Mapping[str, str]], partitions: int
) -> None:
    """Blocks; KafkaException if it cannot be done now, or if a topic has another number of partitions."""
    metadata = producer.list_topics(timeout=TIMEOUT)
    replicas = min(REPLICAS, len(metadata.brokers))
    missing: list[NewTopic] = []
    for name, settings in topics.items():
        found = metadata.topics.get(name)
        if found is None:
            config = {**settings, "min.insync.replicas": str(max(1, replicas - 1))}
            missing.append(NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=config))
        elif len(found.partitions) != partitions:
            text = (
                f"the topic {name} has {len(found.partitions)} partitions and the system {partitions}; they must agree"
            )
            raise KafkaException(KafkaError(KafkaError.INVALID_PARTITIONS, text))
    if missing:
        _create(AdminClient(options), missing)


def _create(admin: AdminClient, topics: list[NewTopic]) -> None:
    for made in admin.create_topics(topics, operation_timeout=TIMEOUT).values():
        try:
            made.result(TIMEOUT + 1.0)
        except TimeoutError:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the topics could not be made in time")) from None
        except KafkaException as error:
            wrapped = error_of(error)
            if wrapped is None or wrapped.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
