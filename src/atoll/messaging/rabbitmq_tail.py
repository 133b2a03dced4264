"""Looking on at RabbitMQ's streams: one channel that reads all partitions and writes nothing down."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from atoll.messaging.broker import BrokerUnavailable, Passing, SubscriptionEnded
from atoll.messaging.rabbitmq_ledger import CLOSE_WITHIN
from atoll.messaging.rabbitmq_link import TROUBLES, Link, one_line

PREFETCH = 500  # messages of a partition that have arrived and wait to be fetched


async def look_on(link: Link, partitions: int, subjects: Sequence[str], since: datetime | None) -> RabbitTail:
    """A tail of the system's streams."""
    tail = RabbitTail(frozenset(subjects))
    try:
        await tail.open(link, partitions, since)
    except TROUBLES as error:
        await tail.close()
        raise BrokerUnavailable(f"the broker shows nothing: {one_line(error)}") from None
    except BaseException:
        await tail.close()
        raise
    return tail


class RabbitTail:
    """See `Tail`."""

    def __init__(self, subjects: frozenset[str]) -> None:
        self._subjects = subjects
        self._channel: AbstractChannel | None = None
        self._arrived: deque[tuple[Passing | None, AbstractIncomingMessage]] = deque()
        self._changed = asyncio.Event()
        self._ended = ""

    async def open(self, link: Link, partitions: int, since: datetime | None) -> None:
        """Begins to read, in each partition."""
        channel = self._channel = await link.channel(PREFETCH)
        channel.close_callbacks.add(lambda *_: self._end("the connection was lost"))
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: self._end("a stream is gone"))
        for partition in range(partitions):
            queue = await channel.get_queue(link.stream(partition), ensure=False)
            arguments: dict[str, Any] = {"x-stream-offset": "next" if since is None else since}
            await queue.consume(partial(self._on_message, link, partition), arguments=arguments)

    async def fetch(self, limit: int, wait: float) -> list[Passing]:
        """See `Tail`."""
        until = time.monotonic() + wait
        found: list[Passing] = []
        while not found and not self._ended:
            self._changed.clear()
            await self._take(found, limit)
            if found or time.monotonic() >= until:
                break
            try:
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                break
        if self._ended and not found:
            raise SubscriptionEnded(self._ended)
        return found

    async def close(self) -> None:
        """See `Tail`."""
        self._end("it was closed")
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                if self._channel is not None and not self._channel.is_closed:
                    await self._channel.close()
        except TROUBLES:
            return  # the connection went meanwhile, and the channel with it

    async def _take(self, found: list[Passing], limit: int) -> None:
        while self._arrived and len(found) < limit:
            passing, message = self._arrived.popleft()
            if passing is not None:
                found.append(passing)
            try:
                await message.ack()  # on a stream: send on
            except TROUBLES as error:
                self._end(f"the connection was lost: {one_line(error)}")

    async def _on_message(self, link: Link, partition: int, message: AbstractIncomingMessage) -> None:
        if self._ended:
            return
        subject = link.subject(message)
        wanted = not self._subjects or subject in self._subjects
        sequence = int(str(message.headers["x-stream-offset"])) + 1
        self._arrived.append((Passing(subject, partition, sequence, message.body) if wanted else None, message))
        self._changed.set()

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._changed.set()
