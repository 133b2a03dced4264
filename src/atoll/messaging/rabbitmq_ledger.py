"""The claims of a group's readers on a partition: a small stream of its own.

RabbitMQ keeps the place of a stream's reader only for its own stream protocol, not for AMQP, and no lease there can be taken
from a holder that hangs. See `claims`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from atoll.messaging.claims import Claim
from atoll.messaging.rabbitmq_link import TROUBLES, Link

LEDGER_BYTES, LEDGER_SEGMENT = 400_000, 100_000  # what is kept; some thousand records, read at every take-over
CLAIM_TIMEOUT = 10.0  # seconds
CLOSE_WITHIN = 2.0  # seconds; a broker that hangs is left
PREFETCH = 1_000


class Ledger:
    """One subscription's view of it. lost: set when another subscription has claimed the partition, or nobody can tell."""

    def __init__(self, link: Link, stream: str) -> None:
        self._claim = Claim()
        self.lost = self._claim.lost
        self._link = link
        self._stream = stream
        self._channel: AbstractChannel | None = None
        self._closing = False

    async def claim(self) -> dict[str, int]:
        """Makes the partition ours; what its readers before us had acknowledged."""
        limits = {"x-max-length-bytes": LEDGER_BYTES, "x-stream-max-segment-size-bytes": LEDGER_SEGMENT}
        await self._link.declare(self._stream, **limits)
        self._channel = await self._link.channel(PREFETCH)
        self._channel.close_callbacks.add(lambda *_: self.lost.set())
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: self.lost.set())
        queue = await self._channel.get_queue(self._stream, ensure=False)
        await queue.consume(self._on_record, arguments={"x-stream-offset": "first"})
        await self._append(self._claim.record())
        async with asyncio.timeout(CLAIM_TIMEOUT):
            await self._claim.claimed.wait()
        floors = self._claim.floors()
        if floors:
            await self.write(floors)  # many claims in a row must not push the last floors out
        return floors

    async def write(self, floors: Mapping[str, int]) -> None:
        """Writes down how far we got; BrokerUnavailable if that is not known to be safe."""
        await self._append(self._claim.record(floors))

    async def close(self) -> None:
        """Looks no more."""
        self._closing = True
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                if self._channel is not None and not self._channel.is_closed:
                    await self._channel.close()
        except TROUBLES:
            return  # the connection went meanwhile, and the channel with it

    async def _append(self, body: bytes) -> None:
        message = aio_pika.Message(
            body, content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        await self._link.send(self._stream, message)

    async def _on_record(self, message: AbstractIncomingMessage) -> None:
        self._claim.see(message.body)
        if not self._closing:  # a frame behind the channel's end would end the whole connection
            await message.ack()
