"""All that a process reads for one group: one Kafka consumer and its thread.

Partitions are assigned by hand, for the service's own leases say who reads what; so a slow handler is never thrown out of
the group, and a take-over disturbs no other partition. Who reads, and how far each subject was read, stands in a compacted
topic of its own (see `claims`), because a commit holds one number and no lease. Kafka's own commits are made as well, for the
tools that show a group's lag; nothing here reads them: with librdkafka 2.16 ``committed()`` was seen to wait for ever after
a coordinator had moved (see librdkafka#5586), and its administrative twin to abort the process when the broker died.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from atoll.messaging.broker import BrokerUnavailable
from atoll.messaging.floors import MAX_BODY, Floors
from atoll.messaging.kafka_link import header
from atoll.messaging.kafka_options import Call, one_line
from atoll.messaging.kafka_subscription import KafkaSubscription
from atoll.messaging.kafka_topics import OVERHEAD
from atoll.service.lifecycle import end

log = logging.getLogger("atoll.messaging")

CLAIM_TIMEOUT = 10.0  # seconds
CLOSE_WITHIN = 2.0  # seconds; a broker that hangs is left
POLL = 0.05  # seconds
BATCH = 500  # messages handed to the event loop at once
WRITE_EVERY = 0.2  # seconds; acknowledgements within it are written down at once


class Append(Protocol):
    """Appends a record to a partition of the readers' topic; BrokerUnavailable if that is not known to be safe."""

    def __call__(self, partition: int, key: str, body: bytes) -> Awaitable[None]:
        """Returns when the brokers have it."""
        ...


class GroupReader:
    """Reads the partitions that were taken over, and writes down what was acknowledged."""

    def __init__(self, options: dict[str, Any], system: str, group: str, call: Call, append: Append) -> None:
        self._consumer = Consumer(_consumer_options(options, f"{system}.{group}"))
        self._group = group
        self._events, self._readers_topic = f"{system}.events", f"{system}.readers"
        self._call = call
        self._append = append
        self._loop = asyncio.get_running_loop()
        self._readers: dict[int, KafkaSubscription] = {}
        self._assigned: set[tuple[str, int]] = set()
        self._commands: SimpleQueue[tuple[Callable[[], None], asyncio.Future[None]]] = SimpleQueue()
        self._dirty = asyncio.Event()
        self._turn = asyncio.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._read, name=f"kafka: {group}", daemon=True)
        self._thread.start()
        self._keeper = asyncio.create_task(self._keep(), name=f"kafka: {group}: places")

    async def take_over(self, partition: int, subjects: Sequence[str]) -> KafkaSubscription:
        """A subscription that starts where the group is; BrokerUnavailable if that cannot be found out."""
        older = self._readers.get(partition)
        if older is not None:
            await older.close()
        async with self._turn:
            reader = KafkaSubscription(
                changed=self._dirty.set,
                flow=lambda full: self._flow(partition, full),
                leave=lambda: self._leave(partition, reader),
            )
            self._readers[partition] = reader
            try:
                await self._begin(partition, reader, subjects)
            except (KafkaException, TimeoutError) as error:
                await self._forget(partition)
                raise BrokerUnavailable(f"the broker gave no subscription: {one_line(error)}") from None
            except BaseException:
                await self._forget(partition)
                raise
        return reader

    async def close(self) -> None:
        """Writes down what was acknowledged, and stops reading."""
        await end(self._keeper)
        readers = dict(self._readers)
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await asyncio.gather(*(self._write(n, reader) for n, reader in readers.items() if not reader.ended))
        except TimeoutError:
            log.debug("what was acknowledged last is not written down, and comes again")
        for partition, reader in readers.items():
            reader.end("it was closed")
            await self._forget(partition)
        await self._call(self._close)

    async def _begin(self, partition: int, reader: KafkaSubscription, subjects: Sequence[str]) -> None:
        await self._assign(self._readers_topic, partition, OFFSET_BEGINNING)
        await self._append(partition, f"{self._group}/claim", reader.claim.record())
        async with asyncio.timeout(CLAIM_TIMEOUT):
            await reader.claim.claimed.wait()
        reader.begin(Floors(reader.claim.floors(), subjects))
        await self._assign(self._events, partition, reader.floors.start - 1)

    async def _leave(self, partition: int, reader: KafkaSubscription) -> None:
        async with self._turn:
            if self._readers.get(partition) is not reader:
                return
            if not reader.ended:
                await self._write(partition, reader)
            await self._forget(partition)

    async def _forget(self, partition: int) -> None:
        del self._readers[partition]
        where = [TopicPartition(topic, number) for topic, number in self._assigned if number == partition]
        self._assigned.difference_update([(one.topic, one.partition) for one in where])
        await self._in_thread(lambda: self._consumer.incremental_unassign(where))

    async def _assign(self, topic: str, partition: int, offset: int) -> None:
        self._assigned.add((topic, partition))
        await self._in_thread(lambda: self._consumer.incremental_assign([TopicPartition(topic, partition, offset)]))

    def _flow(self, partition: int, full: bool) -> None:
        where = [TopicPartition(self._events, partition)]
        change = self._consumer.pause if full else self._consumer.resume
        self._commands.put((lambda: change(where), self._loop.create_future()))

    async def _keep(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            for partition, reader in list(self._readers.items()):
                if not reader.ended:
                    await self._write(partition, reader)
            await asyncio.sleep(WRITE_EVERY)

    async def _write(self, partition: int, reader: KafkaSubscription) -> None:
        """Writes down how far it got; what fails is tried again at the next turn, or comes again."""
        floors, reached = reader.floors.all(), reader.floors.reached
        if floors == reader.written:
            return
        try:
            await self._append(partition, f"{self._group}/floors", reader.claim.record(floors))
        except BrokerUnavailable as error:
            log.debug("how far %s/%d was read is written down later: %s", self._events, partition, error)
            self._dirty.set()
            return
        reader.written = floors
        place = [TopicPartition(self._events, partition, reached)]
        self._commands.put(
            (lambda: self._consumer.commit(offsets=place, asynchronous=True), self._loop.create_future())
        )

    # The thread that reads. Every call to the consumer runs in it: another thread would wait for as long as this one polls, and
    # nothing of an assignment arrives after its end.

    async def _in_thread(self, command: Callable[[], None]) -> None:
        done: asyncio.Future[None] = self._loop.create_future()
        self._commands.put((command, done))
        await done

    def _read(self) -> None:
        while not self._stopping:
            self._run_commands()
            first = self._consumer.poll(POLL)
            if first is not None:
                self._loop.call_soon_threadsafe(self._arrive, [first, *self._consumer.consume(BATCH, 0)])

    def _run_commands(self) -> None:
        while True:
            try:
                command, done = self._commands.get_nowait()
            except Empty:
                return
            try:
                command()
            except Exception as error:  # it belongs to whoever waits for the command
                self._loop.call_soon_threadsafe(_finish, done, error)
            else:
                self._loop.call_soon_threadsafe(_finish, done, None)

    def _arrive(self, messages: Sequence[Message[Any, Any]]) -> None:
        for message in messages:
            partition = message.partition()
            reader = self._readers.get(-1 if partition is None else partition)
            error = message.error()
            if error is not None:
                self._trouble(error, reader)
            elif reader is not None:
                self._give(reader, message)

    def _give(self, reader: KafkaSubscription, message: Message[Any, Any]) -> None:
        body, offset = message.value() or b"", message.offset() or 0
        if message.topic() == self._events:
            reader.arrive(header(message, "subject"), header(message, "id"), body, offset + 1)
        elif (message.key() or b"").decode(errors="replace").partition("/")[0] == self._group:
            reader.claim.see(body)
            if reader.claim.lost.is_set():
                reader.end("another subscription took over")

    def _trouble(self, error: KafkaError, reader: KafkaSubscription | None) -> None:
        log.debug("reading %s: %s: %s", self._events, error.name(), error.str())
        if reader is not None:
            reader.end(f"the partition cannot be read on: {error.name()}")

    def _close(self) -> None:
        self._stopping = True
        self._thread.join()
        self._run_commands()
        self._consumer.close()


def _finish(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _consumer_options(options: dict[str, Any], group: str) -> dict[str, Any]:
    return options | {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",  # where the retention has overtaken a reader
        "allow.auto.create.topics": False,
        "fetch.message.max.bytes": MAX_BODY + OVERHEAD,
        "fetch.wait.max.ms": 100,  # a partition that is added waits for the request that is on its way
        "fetch.error.backoff.ms": 50,
        "fetch.queue.backoff.ms": 50,
        "topic.metadata.refresh.fast.interval.ms": 50,
        "queued.min.messages": 2_000,
        "queued.max.messages.kbytes": 8_192,
    }
