"""One Kafka producer, from its beginning to its first failure: a message that failed must not be sent behind a later one."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from atoll.messaging.broker import BrokerUnavailable
from atoll.messaging.floors import MAX_BODY
from atoll.messaging.kafka_options import Call, one_line
from atoll.messaging.kafka_topics import EVENTS, OVERHEAD, READERS, ensure_topics
from atoll.messaging.links import NoLink

log = logging.getLogger("atoll.messaging")

ACKNOWLEDGE_TIMEOUT = 5.0  # seconds
PING_TIMEOUT = 2.0  # seconds
POLL = 0.1  # seconds


class Link:
    """An idempotent producer that waits for all in-sync replicas, and the topics of the system."""

    def __init__(self, options: dict[str, Any], system: str, call: Call) -> None:
        self.lost = asyncio.Event()
        self._events, self._readers = f"{system}.events", f"{system}.readers"
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(_producer_options(options))
        self._waiting: set[asyncio.Future[None]] = set()
        self._reports: deque[tuple[asyncio.Future[None], KafkaError | None]] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._poll, name="kafka: producer", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, options: dict[str, Any], system: str, partitions: int, call: Call) -> Link:
        """Connects, and makes the system's topics where they don't exist; NoLink if that cannot be done now."""
        link = cls(options, system, call)
        topics = {link._events: EVENTS, link._readers: READERS}
        try:
            await call(lambda: ensure_topics(link._producer, options, topics, partitions))
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
            async with asyncio.timeout(PING_TIMEOUT + 1.0):
                await self._call(lambda: self._producer.list_topics(self._events, timeout=PING_TIMEOUT))
        except (KafkaException, TimeoutError) as error:
            raise BrokerUnavailable(f"the broker does not answer: {one_line(error)}") from None

    async def publish(self, partition: int, subject: str, key: str, message_id: str, body: bytes) -> None:
        """Returns when all in-sync replicas have the message."""
        headers = {"subject": subject, "id": message_id, "content-type": "application/cloudevents+json"}
        await self._send(self._events, partition, key, body, headers)

    async def append(self, partition: int, key: str, body: bytes) -> None:
        """Appends a record to the readers' topic."""
        await self._send(self._readers, partition, key, body, {"content-type": "application/json"})

    async def _send(self, topic: str, partition: int, key: str, body: bytes, headers: dict[str, str]) -> None:
        if self.lost.is_set():
            raise BrokerUnavailable("the connection to the broker was lost")
        report: asyncio.Future[None] = self._loop.create_future()
        self._waiting.add(report)
        try:
            self._producer.produce(
                topic,
                body,
                key=key.encode(),
                partition=partition,
                headers=list(headers.items()),
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


def header(message: Message[Any, Any], name: str) -> str:
    """A header's text; empty if it is not there."""
    headers = message.headers()
    for key, value in headers if isinstance(headers, list) else ():
        if key == name and value is not None:
            return value.decode() if isinstance(value, bytes) else value
    return ""
