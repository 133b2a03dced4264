"""Reading one partition from JetStream, in order, whatever was lost on the way.

JetStream redelivers an unacknowledged message only after AckWait, and by then later ones of its key may have been handled. So
each take-over makes a consumer of its own that starts after the group's acknowledgement floor, and a subscription ends at the
first sign of a gap: its successor gets everything again that was not acknowledged, in order; inboxes know what was handled.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Sequence

import msgspec
import nats
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as ClientSubscription
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

from atoll.messaging.broker import BrokerUnavailable, SubscriptionEnded
from atoll.messaging.nats_link import Link

ACK_WAIT = 30.0  # seconds; work that takes longer is extended every third of it
MAX_PENDING = 1_000  # messages delivered and not acknowledged
PULL_FOR = 30.0  # seconds that one pull request stays open
HEARTBEAT = 5.0  # seconds between signs of life while a pull request is open
SILENCE = 12.0  # seconds without one: the consumer is gone
FLOORS = "atoll-floors"  # metadata: how far the group had read subjects that this consumer does not read


async def take_over(link: Link, name: str, prefix: str, subjects: Sequence[str]) -> NatsSubscription:
    """A subscription that starts where the group's acknowledgements end; the group's older consumers are deleted."""
    try:
        old = [info for info in await _consumers(link) if info.name.startswith(f"{name}__")]
        config = _config(f"{name}__{secrets.token_hex(6)}", prefix, subjects, old)
        await link.js.add_consumer(link.stream, config)
        for info in old:
            await _delete(link, info.name)
        subscription = NatsSubscription(link, str(config.durable_name), prefix)
        await subscription.open()
    except (nats.errors.Error, OSError) as error:
        raise BrokerUnavailable(f"the broker gave no subscription: {type(error).__name__}: {error}") from None
    return subscription


async def backlog(link: Link, prefix: str) -> int:
    """What the consumers whose names begin so have not delivered, or have no acknowledgement of."""
    try:
        found = [info for info in await _consumers(link) if info.name.startswith(prefix)]
    except (nats.errors.Error, OSError) as error:
        raise BrokerUnavailable(f"the broker does not tell: {type(error).__name__}: {error}") from None
    return sum((info.num_pending or 0) + (info.num_ack_pending or 0) for info in found)


async def _consumers(link: Link) -> list[ConsumerInfo]:
    found: list[ConsumerInfo] = []
    while True:
        page = await link.js.consumers_info(link.stream, offset=len(found))
        found.extend(page)
        if len(page) < 256:  # JetStream's page
            return found


async def _delete(link: Link, name: str) -> None:
    try:
        await link.js.delete_consumer(link.stream, name)
    except NotFoundError:
        return  # someone else was quicker


def _config(name: str, prefix: str, subjects: Sequence[str], old: Sequence[ConsumerInfo]) -> ConsumerConfig:
    floors = _floors(prefix, old)
    start = min((floors.pop(subject, 0) for subject in subjects), default=0)
    return ConsumerConfig(
        durable_name=name,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=start + 1,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT,
        max_deliver=-1,
        max_ack_pending=MAX_PENDING,
        filter_subjects=[prefix + subject for subject in subjects],
        metadata={FLOORS: msgspec.json.encode(floors).decode()} if floors else None,
    )


def _floors(prefix: str, old: Sequence[ConsumerInfo]) -> dict[str, int]:
    """How far the group has acknowledged, by subject; what two leftovers of a crash disagree on is what the further one says."""
    floors: dict[str, int] = {}
    for info in old:
        reached = info.ack_floor.stream_seq if info.ack_floor is not None else 0
        config = info.config
        read = config.filter_subjects or ([config.filter_subject] if config.filter_subject else [])
        kept = msgspec.json.decode((config.metadata or {}).get(FLOORS, "{}"), type=dict[str, int])
        for subject, floor in (*kept.items(), *((one.removeprefix(prefix), reached) for one in read)):
            floors[subject] = max(floor, floors.get(subject, 0))
    return floors


class NatsSubscription:
    """See `Subscription`. Asks for as many messages as the caller has room for, ahead of time."""

    def __init__(self, link: Link, consumer: str, prefix: str) -> None:
        self._link = link
        self._prefix = prefix
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{link.stream}.{consumer}"
        self._inbox = link.inbox()
        self._client_subscription: ClientSubscription | None = None
        self._arrived: deque[NatsDelivery] = deque()
        self._changed = asyncio.Event()
        self._asked = 0
        self._last = 0
        self._heard_at = time.monotonic()
        self._ended = ""

    async def open(self) -> None:
        """Listens for what pull requests bring."""
        self._client_subscription = await self._link.client.subscribe(self._inbox, cb=self._on_message)

    async def fetch(self, limit: int, wait: float) -> list[NatsDelivery]:
        """See `Subscription`."""
        until = time.monotonic() + wait
        while not self._arrived:
            self._check()
            if time.monotonic() >= until:
                return []
            await self._ask(limit)
            self._changed.clear()
            await self._pause(min(until - time.monotonic(), 1.0))
        found = [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]
        await self._ask(limit - len(found))
        return found

    async def close(self) -> None:
        """See `Subscription`."""
        self._end("it was closed")
        if self._client_subscription is not None and not self._link.lost.is_set():
            try:
                await self._client_subscription.unsubscribe()
            except nats.errors.Error:
                return  # the connection went meanwhile, and the subscription with it

    def _check(self) -> None:
        if self._link.lost.is_set():
            self._end("the connection was lost")
        elif self._asked > 0 and time.monotonic() - self._heard_at > SILENCE:
            self._end("the broker fell silent")
        if self._ended:
            raise SubscriptionEnded(self._ended)

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._arrived.clear()
        self._changed.set()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _ask(self, limit: int) -> None:
        wanted = limit - len(self._arrived) - self._asked
        if wanted <= 0 or (self._asked > 0 and wanted * 2 < limit):
            return
        if self._asked == 0:
            self._heard_at = time.monotonic()
        self._asked += wanted
        request = {"batch": wanted, "expires": int(PULL_FOR * 1e9), "idle_heartbeat": int(HEARTBEAT * 1e9)}
        try:
            await self._link.client.publish(self._next, msgspec.json.encode(request), reply=self._inbox)
        except nats.errors.Error as error:
            self._end(f"the connection was lost: {type(error).__name__}")

    async def _on_message(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        status = (message.headers or {}).get("Status")
        if status is not None and not message.data:
            self._on_status(status, message.headers or {})
        else:
            self._on_delivery(message)
        self._changed.set()

    def _on_status(self, status: str, headers: dict[str, str]) -> None:
        if status == "100":
            return
        if status == "408":
            self._asked = max(0, self._asked - int(headers.get("Nats-Pending-Messages", "0")))
            return
        self._end(f"the broker says {status} {headers.get('Description', '')}".rstrip())

    def _on_delivery(self, message: Msg) -> None:
        sequence, turn = _places(message.reply)
        self._asked = max(0, self._asked - 1)
        if self._ended:
            return
        if turn != self._last + 1:
            self._end("a message was lost on the way")
            return
        self._last = turn
        self._arrived.append(NatsDelivery(self._link, message, message.subject.removeprefix(self._prefix), sequence))


class NatsDelivery:
    """See `Delivery`."""

    __slots__ = ("_link", "_reply", "body", "sequence", "subject")

    def __init__(self, link: Link, message: Msg, subject: str, sequence: int) -> None:
        self._link = link
        self._reply = message.reply
        self.subject, self.body, self.sequence = subject, message.data, sequence

    async def acknowledge(self) -> None:
        """See `Delivery`."""
        await self._answer(b"+ACK")

    async def extend(self) -> None:
        """See `Delivery`."""
        await self._answer(b"+WPI")

    async def _answer(self, answer: bytes) -> None:
        if self._link.lost.is_set():
            return  # the message comes again, and the inbox knows it
        try:
            await self._link.client.publish(self._reply, answer)
        except nats.errors.Error:
            return  # as above


def _places(reply: str) -> tuple[int, int]:
    """The message's sequences in the stream and in the consumer.

    The reply subject is ``$JS.ACK.[domain.account.]stream.consumer.delivered.STREAM.CONSUMER.time.pending``.
    """
    parts = reply.split(".")
    at = 5 if len(parts) == 9 else 7
    return int(parts[at]), int(parts[at + 1])
