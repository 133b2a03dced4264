"""Reading one partition from a RabbitMQ stream, from where its group is, until someone else takes it over."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from atoll.messaging.broker import BrokerUnavailable, SubscriptionEnded
from atoll.messaging.floors import Floors, KnownIds
from atoll.messaging.rabbitmq_ledger import CLOSE_WITHIN, Ledger
from atoll.messaging.rabbitmq_link import TROUBLES, Link, one_line
from atoll.service.lifecycle import end

PREFETCH = 500  # messages that have arrived and wait to be fetched
WRITE_EVERY = 0.2  # seconds; acknowledgements within it are written down at once


async def take_over(link: Link, group: str, subjects: Sequence[str], partition: int) -> RabbitSubscription:
    """A subscription that starts where the group's ledger says; older ones end when they see our claim in it."""
    ledger = Ledger(link, f"{link.system}.readers.{group}.{partition}")
    try:
        floors = Floors(await ledger.claim(), subjects)
        subscription = RabbitSubscription(link, ledger, floors)
        await subscription.open(link.stream(partition))
    except TROUBLES as error:
        await ledger.close()
        raise BrokerUnavailable(f"the broker gave no subscription: {one_line(error)}") from None
    except BaseException:
        await ledger.close()
        raise
    return subscription


class RabbitSubscription:
    """See `Subscription`. The broker sends ahead, up to 500 messages."""

    def __init__(self, link: Link, ledger: Ledger, floors: Floors) -> None:
        self._link = link
        self._ledger = ledger
        self._floors = floors
        self._known = KnownIds()
        self._channel: AbstractChannel | None = None
        self._arrived: deque[RabbitDelivery] = deque()
        self._changed = asyncio.Event()
        self._dirty = asyncio.Event()
        self._unanswered: AbstractIncomingMessage | None = None
        self._written = floors.all()
        self._last = 0
        self._ended = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, stream: str) -> None:
        """Begins to read."""
        self._channel = await self._link.channel(PREFETCH)
        self._channel.close_callbacks.add(lambda *_: self._end("the channel was closed"))
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: self._end("the stream is gone"))
        queue = await self._channel.get_queue(stream, ensure=False)
        await queue.consume(self._on_message, arguments={"x-stream-offset": self._floors.start - 1})
        self._tasks = [
            asyncio.create_task(self._watch(self._link.lost, "the connection was lost"), name="subscription: link"),
            asyncio.create_task(self._watch(self._ledger.lost, "another subscription took over"), name="subscription"),
            asyncio.create_task(self._write_down(), name="subscription: floors"),
        ]

    async def fetch(self, limit: int, wait: float) -> list[RabbitDelivery]:
        """See `Subscription`."""
        until = time.monotonic() + wait
        while not self._arrived and not self._ended:
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                break
        if self._ended:
            raise SubscriptionEnded(self._ended)
        found = [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]
        await self._ask_for_more()
        return found

    async def close(self) -> None:
        """See `Subscription`. Writes down what was acknowledged."""
        was_ours = not self._ended
        self._end("it was closed")
        await end(*self._tasks)
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                if was_ours:
                    await self._write()
                if self._channel is not None and not self._channel.is_closed:
                    await self._channel.close()
        except (BrokerUnavailable, *TROUBLES):
            return  # what was not written down comes again, and the inbox knows it
        finally:
            await self._ledger.close()

    def done(self, sequence: int) -> None:
        """The message is dealt with."""
        self._floors.acknowledge(sequence)
        self._dirty.set()

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        if self._ended:
            return
        sequence = int(str(message.headers["x-stream-offset"])) + 1
        if sequence <= self._last:
            self._end("a message came out of order")
            return
        self._last = sequence
        subject = self._link.subject(message)
        self._unanswered = message
        if self._floors.deliver(subject, sequence):
            if message.message_id and not self._known.is_new(message.message_id):
                self.done(sequence)
            else:
                self._arrived.append(RabbitDelivery(self, subject, message.body, sequence))
        else:
            self._dirty.set()
        self._changed.set()
        await self._ask_for_more()

    async def _ask_for_more(self) -> None:
        """On a stream an AMQP acknowledgement is no more than permission to send on; it is held back while many wait."""
        message = self._unanswered
        if message is None or len(self._arrived) > PREFETCH // 2 or self._ended:
            return  # ended: a frame behind the channel's end would end the whole connection
        self._unanswered = None
        try:
            await message.ack(multiple=True)
        except TROUBLES as error:
            self._end(f"the connection was lost: {one_line(error)}")

    async def _watch(self, event: asyncio.Event, why: str) -> None:
        await event.wait()
        self._end(why)

    async def _write_down(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._write()
            except BrokerUnavailable as error:
                self._end(f"the group's place could not be written down: {error}")
                return
            await asyncio.sleep(WRITE_EVERY)

    async def _write(self) -> None:
        floors = self._floors.all()
        if floors != self._written:
            await self._ledger.write(floors)
            self._written = floors

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._arrived.clear()
        self._changed.set()


class RabbitDelivery:
    """See `Delivery`."""

    __slots__ = ("_subscription", "body", "sequence", "subject")

    def __init__(self, subscription: RabbitSubscription, subject: str, body: bytes, sequence: int) -> None:
        self._subscription = subscription
        self.subject, self.body, self.sequence = subject, body, sequence

    async def acknowledge(self) -> None:
        """See `Delivery`. It is written down within a fifth of a second."""
        self._subscription.done(self.sequence)

    async def extend(self) -> None:
        """A stream has no acknowledgement timeout: nothing comes again here but by a take-over."""
