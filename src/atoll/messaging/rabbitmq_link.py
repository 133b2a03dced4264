"""One connection to RabbitMQ, from its beginning to its end; it never reconnects."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError

from atoll.messaging.broker import KEEP_DAYS, BrokerUnavailable
from atoll.messaging.links import NoLink

log = logging.getLogger("atoll.messaging")

CONNECT_TIMEOUT = 3.0  # seconds
ACKNOWLEDGE_TIMEOUT = 5.0  # seconds
HEARTBEAT = 5  # seconds; two without a sign of life and the connection counts as lost
PING_TIMEOUT = 2.0  # seconds
SEGMENT = 100_000_000  # bytes of a stream's file; retention deletes whole files
TROUBLES = (
    AMQPError,
    OSError,
    RuntimeError,
    TimeoutError,
)  # RuntimeError: aiormq's, for a channel that is closed already


class Link:
    """A connection, a channel that publishes with confirms, and the streams of the system."""

    def __init__(self, connection: AbstractConnection, system: str) -> None:
        self.lost = asyncio.Event()
        self.connection = connection
        self.system = system
        self._channel: AbstractChannel | None = None
        self._events: AbstractExchange | None = None
        connection.close_callbacks.add(self._on_close)

    @classmethod
    async def open(cls, url: str, system: str, partitions: int) -> Link:
        """Connects, and makes the system's streams where they don't exist; NoLink if that cannot be done now."""
        try:
            connection = await aio_pika.connect(url, timeout=CONNECT_TIMEOUT, heartbeat=HEARTBEAT)
        except (*TROUBLES, ValueError) as error:
            raise NoLink(one_line(error)) from None
        link = cls(connection, system)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT + ACKNOWLEDGE_TIMEOUT):
                await link._prepare(partitions)
        except TROUBLES as error:
            await link.close()
            raise NoLink(one_line(error)) from None
        except BaseException:
            await link.close()
            raise
        return link

    async def close(self) -> None:
        """Disconnects; whoever still waits for a confirm hears that there will be none."""
        self.lost.set()
        try:
            async with asyncio.timeout(PING_TIMEOUT):
                await self.connection.close()
        except TROUBLES as error:
            log.debug("the connection to the broker did not close properly: %s", one_line(error))

    async def ping(self) -> None:
        """Raises unless the server answers."""
        try:
            async with asyncio.timeout(PING_TIMEOUT):
                channel = await self.connection.channel(publisher_confirms=False)
                await channel.close()
        except TROUBLES as error:
            raise BrokerUnavailable(f"the broker does not answer: {one_line(error)}") from None

    def stream(self, partition: int) -> str:
        """The name of a partition's stream."""
        return f"{self.system}.events.{partition}"

    @property
    def exchange(self) -> str:
        """The name of what hands each event to the stream of its partition. An account's topic permissions hold here."""
        return f"{self.system}.events"

    def subject(self, message: AbstractIncomingMessage) -> str:
        """The event's subject; empty for what did not come through the exchange, and so past its permissions."""
        return (message.routing_key or "").partition(".")[2] if message.exchange == self.exchange else ""

    async def publish(self, partition: int, subject: str, message_id: str, body: bytes) -> None:
        """Returns when a majority of the stream's replicas have the message."""
        message = aio_pika.Message(
            body,
            message_id=message_id,
            type=subject,
            content_type="application/cloudevents+json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await self._send(self._events, f"{partition}.{subject}", message)

    async def send(self, queue: str, message: aio_pika.Message) -> None:
        """To a queue itself. Returns when the broker confirms; BrokerUnavailable if that is not known."""
        await self._send(self._channel.default_exchange if self._channel is not None else None, queue, message)

    async def _send(self, exchange: AbstractExchange | None, key: str, message: aio_pika.Message) -> None:
        if exchange is None or self.lost.is_set():
            raise BrokerUnavailable("the connection to the broker was lost")
        try:
            async with asyncio.timeout(ACKNOWLEDGE_TIMEOUT):
                await exchange.publish(message, routing_key=key, mandatory=True)
        except TimeoutError:
            raise BrokerUnavailable(f"the broker did not confirm within {ACKNOWLEDGE_TIMEOUT:g} s") from None
        except DeliveryError:  # refused, or returned because the stream is gone: the next link makes it again
            self.lost.set()
            raise BrokerUnavailable(f"the broker refused the message; is the stream for {key} still there?") from None
        except TROUBLES as error:
            self.lost.set()
            raise BrokerUnavailable(f"the broker did not take the message: {one_line(error)}") from None

    async def channel(self, prefetch: int) -> AbstractChannel:
        """A channel to read from; ``prefetch`` deliveries at most are on their way or unanswered."""
        channel = await self.connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=prefetch)
        return channel

    async def declare(self, stream: str, **arguments: Any) -> None:
        """Makes a durable stream; one that exists with other settings stays as its operator wanted it."""
        channel = await self.connection.channel(publisher_confirms=False)
        try:
            await channel.declare_queue(stream, durable=True, arguments={"x-queue-type": "stream", **arguments})
        except ChannelPreconditionFailed as error:
            log.info("the stream %s is used as it is: %s", stream, one_line(error))
        finally:
            if not channel.is_closed:
                await channel.close()

    async def _prepare(self, partitions: int) -> None:
        if not await self._is_there(partitions):
            await self._make(partitions)
        channel = self._channel = await self.connection.channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(self._on_close)
        self._events = await channel.get_exchange(self.exchange, ensure=False)

    async def _is_there(self, partitions: int) -> bool:
        """Whether all is made already; looking needs no right to make anything."""
        channel = await self.connection.channel(publisher_confirms=False)
        try:
            await channel.get_exchange(self.exchange)
            for partition in range(partitions):
                await channel.get_queue(self.stream(partition))
        except ChannelNotFoundEntity:
            return False
        finally:
            if not channel.is_closed:
                await channel.close()
        return True

    async def _make(self, partitions: int) -> None:
        """The streams, and the exchange in front of them."""
        kept = {"x-max-age": f"{KEEP_DAYS}D", "x-stream-max-segment-size-bytes": SEGMENT}
        for partition in range(partitions):
            await self.declare(self.stream(partition), **kept)
        channel = await self.connection.channel(publisher_confirms=False)
        exchange = await channel.declare_exchange(self.exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        for partition in range(partitions):
            queue = await channel.get_queue(self.stream(partition), ensure=False)
            await queue.bind(exchange, routing_key=f"{partition}.#")
        await channel.close()

    def _on_close(self, *_: Any) -> None:
        self.lost.set()


def one_line(error: BaseException) -> str:
    """The error, without the URL and its password."""
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {text}" if text and "://" not in text else type(error).__name__
