"""Reading one partition of Kafka's topic; what arrives for it is handed in by its group's reader."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from atoll.messaging.broker import SubscriptionEnded
from atoll.messaging.claims import Claim
from atoll.messaging.floors import Floors, KnownIds

log = logging.getLogger("atoll.messaging")

FULL = 1_000  # messages that wait; the reader pauses then
ROOM = 250  # and goes on below this


class KafkaSubscription:
    """See `Subscription`. flow: pauses (True) and resumes (False) the partition. leave: hands it back to its reader."""

    def __init__(
        self,
        *,
        changed: Callable[[], None],
        flow: Callable[[bool], None],
        leave: Callable[[], Awaitable[None]],
    ) -> None:
        self.claim = Claim()
        self.begin(Floors({}, ()))
        self.ended = ""
        self._changed = changed
        self._flow = flow
        self._leave = leave
        self._known = KnownIds()
        self._arrived: deque[KafkaDelivery] = deque()
        self._something = asyncio.Event()
        self._paused = False

    def begin(self, floors: Floors) -> None:
        """Where the group is; now messages may arrive."""
        self.floors = floors
        self.written = floors.all()
        self._last = 0

    async def fetch(self, limit: int, wait: float) -> Sequence[KafkaDelivery]:
        """See `Subscription`."""
        until = time.monotonic() + wait
        while not self._arrived and not self.ended:
            self._something.clear()
            try:
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    await self._something.wait()
            except TimeoutError:
                break
        if self.ended:
            raise SubscriptionEnded(self.ended)
        found = [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]
        if self._paused and len(self._arrived) < ROOM:
            self._paused = False
            self._flow(False)
        return found

    async def close(self) -> None:
        """See `Subscription`. Writes down what was acknowledged."""
        await self._leave()
        self.end("it was closed")

    def end(self, why: str) -> None:
        """Nothing more comes from it."""
        self.ended = self.ended or why
        self._arrived.clear()
        self._something.set()

    def arrive(self, subject: str, message_id: str, body: bytes, sequence: int) -> None:
        """The next message of the partition."""
        if self.ended:
            return
        if sequence < self.floors.start or sequence <= self._last:
            log.error(
                "the topic was made anew, or lost its end; delete the system's readers topic as well, then all comes again"
            )
            self.end("the topic is younger than what the group has read")
            return
        self._last = sequence
        if not self.floors.deliver(subject, sequence):
            self._changed()
        elif message_id and not self._known.is_new(message_id):
            self.done(sequence)
        else:
            self._arrived.append(KafkaDelivery(self, subject, body, sequence))
            self._something.set()
        if len(self._arrived) >= FULL and not self._paused:
            self._paused = True
            self._flow(True)

    def done(self, sequence: int) -> None:
        """The message is dealt with."""
        self.floors.acknowledge(sequence)
        self._changed()


class KafkaDelivery:
    """See `Delivery`."""

    __slots__ = ("_subscription", "body", "sequence", "subject")

    def __init__(self, subscription: KafkaSubscription, subject: str, body: bytes, sequence: int) -> None:
        self._subscription = subscription
        self.subject, self.body, self.sequence = subject, body, sequence

    async def acknowledge(self) -> None:
        """See `Delivery`. It is written down within a fifth of a second, once everything before it is."""
        self._subscription.done(self.sequence)

    async def extend(self) -> None:
        """Kafka has no acknowledgement timeout, and a reader without membership no limit between polls."""
