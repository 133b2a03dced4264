"""Looking on at a JetStream stream: a consumer in memory that acknowledges nothing and ends when nobody asks it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from atoll.messaging.broker import BrokerUnavailable, Passing
from atoll.messaging.nats_link import Link
from atoll.messaging.nats_subscription import NatsSubscription

UNASKED = 60.0  # seconds after which JetStream removes the consumer of an onlooker that died
CLOSE_WITHIN = 2.0  # seconds; a broker that hangs is left


async def look_on(link: Link, system: str, subjects: Sequence[str], since: datetime | None) -> NatsTail:
    """A tail of the system's stream."""
    name = f"tail-{secrets.token_hex(6)}"
    config = ConsumerConfig(
        name=name,
        deliver_policy=DeliverPolicy.NEW if since is None else DeliverPolicy.BY_START_TIME,
        opt_start_time=since,
        ack_policy=AckPolicy.NONE,
        filter_subjects=[f"{system}.*.{subject}" for subject in subjects] or None,
        inactive_threshold=UNASKED,
        mem_storage=True,
        num_replicas=1,
    )
    try:
        await link.js.add_consumer(link.stream, config)
        subscription = NatsSubscription(link, name, f"{system}.")
        await subscription.open()
    except (nats.errors.Error, OSError) as error:
        raise BrokerUnavailable(f"the broker shows nothing: {type(error).__name__}: {error}") from None
    return NatsTail(link, name, subscription)


class NatsTail:
    """See `Tail`."""

    def __init__(self, link: Link, name: str, subscription: NatsSubscription) -> None:
        self._link = link
        self._name = name
        self._subscription = subscription

    async def fetch(self, limit: int, wait: float) -> list[Passing]:
        """See `Tail`."""
        found = []
        for delivery in await self._subscription.fetch(limit, wait):
            partition, _, subject = delivery.subject.partition(".")
            found.append(Passing(subject, int(partition), delivery.sequence, delivery.body))
        return found

    async def close(self) -> None:
        """See `Tail`."""
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._subscription.close()
                await self._link.js.delete_consumer(self._link.stream, self._name)
        except (nats.errors.Error, OSError):
            return  # JetStream removes it by itself
