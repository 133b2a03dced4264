"""Messages, many at a time: each batch is handled whole and then acknowledged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nats.errors import TimeoutError as NothingCame
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig

BATCH = 128
ACK_WAIT = 30.0  # seconds


async def consume(
    js: JetStreamContext, subject: str, durable: str, handle: Callable[[list[bytes]], Awaitable[None]]
) -> None:
    """For ever. What `handle` does must bear repeats."""
    config = ConsumerConfig(ack_wait=ACK_WAIT, max_ack_pending=4096)
    subscription = await js.pull_subscribe(subject, durable=durable, config=config)
    while True:
        try:
            messages = await subscription.fetch(BATCH, timeout=5)
        except NothingCame:
            continue
        await handle([message.data for message in messages])
        for message in messages:
            await message.ack()
