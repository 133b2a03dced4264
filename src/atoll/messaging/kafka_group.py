"""All that a process reads for one group: one Kafka consumer, its thread, and the places that it commits.

Partitions are assigned by hand, for the service's own leases say who reads what; so a slow handler is never thrown out of
the group, and a take-over disturbs no other partition. Who reads a partition stands in the commit's metadata: the newest one
wins, and the older one sees it within a second, or before its next commit.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from atoll.messaging.broker import BrokerUnavailable
from atoll.messaging.floors import MAX_BODY, Floors
from atoll.messaging.kafka_link import OVERHEAD, header
from atoll.messaging.kafka_options import Call, one_line
from atoll.messaging.kafka_place import encode_place
from atoll.messaging.kafka_places import Places
from atoll.messaging.kafka_subscription import KafkaSubscription

log = logging.getLogger("atoll.messaging")

POLL = 0.05  # seconds
BATCH = 500  # messages handed to the event loop at once
COMMIT_EVERY = 0.2  # seconds; acknowledgements within it are committed at once
LOOK_EVERY = 1.0  # seconds between two looks whether someone took over
RENEW_EVERY = 3_600.0  # seconds; Kafka forgets the places of a group that commits nothing for a week


class GroupReader:
    """Reads the partitions that were taken over, and commits what was acknowledged."""

    def __init__(self, options: dict[str, Any], group: str, topic: str, call: Call) -> None:
        self._consumer = Consumer(_consumer_options(options, group))
        self._places = Places(options, group, topic)
        self._topic = topic
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._readers: dict[int, KafkaSubscription] = {}
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
            older.end("another subscription took over")
        async with self._turn:
            try:
                reader, start = await self._claim(partition, subjects)
                self._readers[partition] = reader
                await self._in_thread(
                    lambda: self._consumer.incremental_assign([TopicPartition(self._topic, partition, start)])
                )
            except (KafkaException, TimeoutError) as error:
                self._readers.pop(partition, None)
                raise BrokerUnavailable(f"the broker gave no subscription: {one_line(error)}") from None
        return reader

    async def close(self) -> None:
        """Commits, and stops reading."""
        for reader in list(self._readers.values()):
            await reader.close()
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        await self._call(self._close)

    async def _claim(self, partition: int, subjects: Sequence[str]) -> tuple[KafkaSubscription, int]:
        offset, place = (await self._places.read([partition]))[partition]
        low, high = await self._places.limits(partition)
        known = place.all(offset)
        if any(floor > high for floor in known.values()):
            log.warning(
                "%s/%d ends before what its group has read; it is read from its beginning", self._topic, partition
            )
            known = {}
        floors = Floors(known, subjects)
        reader = KafkaSubscription(
            floors,
            changed=self._dirty.set,
            flow=lambda full: self._flow(partition, full),
            leave=lambda: self._leave(partition, reader),
        )
        await self._commit({partition: reader})
        return reader, max(low, floors.start - 1)

    async def _leave(self, partition: int, reader: KafkaSubscription) -> None:
        async with self._turn:
            if self._readers.get(partition) is not reader:
                return
            if not reader.ended:
                await self._settle({partition: reader})
            del self._readers[partition]
            await self._in_thread(lambda: self._consumer.incremental_unassign([TopicPartition(self._topic, partition)]))

    def _flow(self, partition: int, full: bool) -> None:
        where = [TopicPartition(self._topic, partition)]
        self._commands.put(
            (lambda: (self._consumer.pause if full else self._consumer.resume)(where), self._loop.create_future())
        )

    # Commits.

    async def _keep(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._dirty.wait()
            except TimeoutError:
                pass
            self._dirty.clear()
            async with self._turn:
                await self._settle({n: reader for n, reader in self._readers.items() if not reader.ended})
            await asyncio.sleep(COMMIT_EVERY)

    async def _settle(self, readers: dict[int, KafkaSubscription]) -> None:
        """Ends those that were taken over, and commits for the others; what fails is tried again at the next turn."""
        if not readers:
            return
        try:
            places = await self._places.read(list(readers))
            mine = {n: reader for n, reader in readers.items() if places[n][1].owner == reader.owner}
            for number in readers.keys() - mine.keys():
                readers[number].end("another subscription took over")
            await self._commit({n: reader for n, reader in mine.items() if _has_news(reader)})
        except (KafkaException, BrokerUnavailable, TimeoutError) as error:
            log.debug("the places of %s are committed later: %s", self._topic, one_line(error))
            self._dirty.set()

    async def _commit(self, readers: dict[int, KafkaSubscription]) -> None:
        if not readers:
            return
        floors = {number: (reader.floors.reached, reader.floors.all()) for number, reader in readers.items()}
        await self._places.write(
            {n: (reached, encode_place(readers[n].owner, reached, known)) for n, (reached, known) in floors.items()}
        )
        for number, (_, known) in floors.items():
            readers[number].committed, readers[number].committed_at = known, time.monotonic()

    # The thread that reads. Commands run in it, so that nothing of an assignment arrives after its end.

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
            reader = self._readers.get(-1 if (number := message.partition()) is None else number)
            error = message.error()
            if error is not None:
                self._trouble(error, reader)
            elif reader is not None:
                body, offset = message.value() or b"", message.offset() or 0
                reader.arrive(header(message, "subject"), header(message, "id"), body, offset + 1)

    def _trouble(self, error: KafkaError, reader: KafkaSubscription | None) -> None:
        log.debug("reading %s: %s: %s", self._topic, error.name(), error.str())
        if reader is not None:
            reader.end(f"the partition cannot be read on: {error.name()}")

    def _close(self) -> None:
        self._stopping = True
        self._thread.join()
        self._run_commands()
        self._consumer.close()


def _has_news(reader: KafkaSubscription) -> bool:
    return reader.floors.all() != reader.committed or time.monotonic() - reader.committed_at > RENEW_EVERY


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
        "auto.offset.reset": "error",  # a place that is gone ends the subscription; the next one looks where to start
        "allow.auto.create.topics": False,
        "fetch.message.max.bytes": MAX_BODY + OVERHEAD,
        "queued.min.messages": 2_000,
        "queued.max.messages.kbytes": 8_192,
    }
