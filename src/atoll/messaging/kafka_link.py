"""One Kafka producer, from its beginning to its first failure: a message that failed must not be sent behind a later one."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from atoll.messaging.broker import KEEP_DAYS, BrokerUnavailable
from atoll.messaging.floors import MAX_BODY
from atoll.messaging.kafka_options import Call, error_of, one_line
from atoll.messaging.links import NoLink

log = logging.getLogger("atoll.messaging")

CONNECT_TIMEOUT = 5.0  # seconds
ACKNOWLEDGE_TIMEOUT = 5.0  # seconds
PING_TIMEOUT = 2.0  # seconds
POLL = 0.1  # seconds
OVERHEAD = 65_536  # bytes of a batch that are not the body
REPLICAS = 3  # of each partition, in a cluster that has so many brokers; two of them must have a message


class Link:
    """An idempotent producer that waits for all in-sync replicas, and the topic of the system."""

    def __init__(self, options: dict[str, Any], topic: str, call: Call) -> None:
        self.lost = asyncio.Event()
        self._topic = topic
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(_producer_options(options))
        self._waiting: set[asyncio.Future[None]] = set()
        self._reports: deque[tuple[asyncio.Future[None], KafkaError | None]] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._poll, name="kafka: producer", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, options: dict[str, Any], topic: str, partitions: int, call: Call) -> Link:
        """Connects, and makes the system's topic where it does not exist; NoLink if that cannot be done now."""
        link = cls(options, topic, call)
        try:
            await call(lambda: _ensure_topic(options, topic, partitions))
        except KafkaException as error:
            await link.close()
            raise NoLink(one_line(error)) from None
        except BaseException:
            await link.close()
            raise
        return link

    async def close(self) -> None:
        """What is not acknowledged by now is thrown away; whoever still waits for it hears so."""
        self._end()
        await self._call(self._close)

    async def ping(self) -> None:
        """Raises unless a broker answers."""
        try:
            await self._call(lambda: self._producer.list_topics(self._topic, timeout=PING_TIMEOUT))
        except KafkaException as error:
            raise BrokerUnavailable(f"the broker does not answer: {one_line(error)}") from None

    async def publish(self, partition: int, subject: str, key: str, message_id: str, body: bytes) -> None:
        """Returns when all in-sync replicas have the message."""
        if self.lost.is_set():
            raise BrokerUnavailable("the connection to the broker was lost")
        report: asyncio.Future[None] = self._loop.create_future()
        self._waiting.add(report)
        try:
            self._producer.produce(
                self._topic,
                body,
                key=key.encode(),
                partition=partition,
                headers=[
                    ("subject", subject.encode()),
                    ("id", message_id.encode()),
                    ("content-type", b"application/cloudevents+json"),
                ],
                on_delivery=lambda error, _: self._report(report, error),
            )
            async with asyncio.timeout(ACKNOWLEDGE_TIMEOUT + 1.0):
                await report
        except (BufferError, KafkaException) as error:
            raise BrokerUnavailable(f"the broker did not take the message: {one_line(error)}") from None
        except TimeoutError:
            self._end()
            raise BrokerUnavailable(f"the broker did not acknowledge within {ACKNOWLEDGE_TIMEOUT:g} s") from None
        finally:
            self._waiting.discard(report)

    def _poll(self) -> None:
        while not self._stopping:
            self._producer.poll(POLL)

    def _report(self, future: asyncio.Future[None], error: KafkaError | None) -> None:
        """In the producer's thread; one wake-up of the loop for many reports."""
        self._reports.append((future, error))
        if len(self._reports) == 1 and not self._stopping:
            self._loop.call_soon_threadsafe(self._take_reports)

    def _take_reports(self) -> None:
        for _ in range(len(self._reports)):
            future, error = self._reports[0]
            if error is not None:
                self._end()
                _fail(future, f"the broker did not take the message: {error.name()}: {error.str()}")
            elif not future.done():
                future.set_result(None)
            self._reports.popleft()
        if self._reports:
            self._loop.call_soon(self._take_reports)

    def _end(self) -> None:
        self.lost.set()
        for future in self._waiting:
            _fail(future, "the connection to the broker was lost")

    def _close(self) -> None:
        self._producer.purge()
        self._stopping = True
        self._thread.join()
        self._producer.close()


def _fail(future: asyncio.Future[None], why: str) -> None:
    if not future.done():
        future.set_exception(BrokerUnavailable(why))


def _producer_options(options: dict[str, Any]) -> dict[str, Any]:
    return options | {
        "enable.idempotence": True,  # no duplicates and no reordering by the producer's own retries
        "acks": "all",
        "linger.ms": 0,
        "message.timeout.ms": int(ACKNOWLEDGE_TIMEOUT * 1000),
        "message.max.bytes": MAX_BODY + OVERHEAD,
    }


def _ensure_topic(options: dict[str, Any], topic: str, partitions: int) -> None:
    admin = AdminClient(options)
    metadata = admin.list_topics(timeout=CONNECT_TIMEOUT)
    found = metadata.topics.get(topic)
    if found is None:
        _create_topic(admin, topic, partitions, replicas=min(REPLICAS, len(metadata.brokers)))
    elif len(found.partitions) != partitions:
        text = f"the topic {topic} has {len(found.partitions)} partitions and the system {partitions}; they must agree"
        raise KafkaException(KafkaError(KafkaError.INVALID_PARTITIONS, text))


def _create_topic(admin: AdminClient, topic: str, partitions: int, *, replicas: int) -> None:
    settings = {
        "retention.ms": str(KEEP_DAYS * 86_400_000),
        "cleanup.policy": "delete",
        "max.message.bytes": str(MAX_BODY + OVERHEAD),
        "min.insync.replicas": str(max(1, replicas - 1)),
    }
    wanted = NewTopic(topic, num_partitions=partitions, replication_factor=replicas, config=settings)
    for made in admin.create_topics([wanted], operation_timeout=CONNECT_TIMEOUT).values():
        try:
            made.result()
        except KafkaException as error:
            wrapped = error_of(error)
            if wrapped is None or wrapped.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def header(message: Message[Any, Any], name: str) -> str:
    """A header's text; empty if it is not there."""
    headers = message.headers()
    for key, value in headers if isinstance(headers, list) else ():
        if key == name and value is not None:
            return value.decode() if isinstance(value, bytes) else value
    return ""
