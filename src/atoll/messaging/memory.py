"""A broker inside the process: for tests, and for one process that runs alone."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from atoll.messaging.broker import (
    DEDUPE_SECONDS,
    PARTITIONS,
    BrokerUnavailable,
    Outgoing,
    Passing,
    SubscriptionEnded,
    partition_of,
    publish_each,
)


@dataclass(slots=True)
class _Stored:
    sequence: int
    subject: str
    body: bytes
    at: datetime


@dataclass(slots=True)
class _Position:
    """What a group has acknowledged in a partition, and who reads it now."""

    done: set[int] = field(default_factory=set)
    subjects: frozenset[str] = frozenset()
    newest: MemorySubscription | None = None


class MemoryBroker:
    """Keeps everything until the process ends. ``away``: behaves as if it could not be reached."""

    def __init__(self, *, partitions: int = PARTITIONS) -> None:
        self.partitions = partitions
        self.away = False
        self._logs: list[list[_Stored]] = [[] for _ in range(partitions)]
        self._known: OrderedDict[str, float] = OrderedDict()
        self._positions: dict[tuple[str, int], _Position] = {}
        self._tails: list[MemoryTail] = []

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Ends the subscriptions."""
        for position in self._positions.values():
            if position.newest is not None:
                position.newest.end()
        for tail in self._tails:
            tail.end()

    async def check(self) -> None:
        """Raises while it is told to be away."""
        if self.away:
            raise BrokerUnavailable("the broker is away")

    async def publish(self, subject: str, key: str, message_id: str, body: bytes) -> None:
        """Keeps the message, unless its id is known."""
        await self.check()
        if self._is_known(message_id):
            return
        number = partition_of(key, self.partitions)
        log = self._logs[number]
        stored = _Stored(len(log) + 1, subject, body, datetime.now(UTC))
        log.append(stored)
        for tail in self._tails:
            tail.see(number, stored)
        for (_, partition), position in self._positions.items():
            if partition == number and position.newest is not None:
                position.newest.wake()

    async def publish_all(self, messages: Sequence[Outgoing]) -> None:
        """See `Broker`."""
        await publish_each(self, messages)

    async def subscribe(self, group: str, subjects: Sequence[str], partition: int) -> MemorySubscription:
        """Takes over; see `Broker`."""
        await self.check()
        position = self._positions.setdefault((group, partition), _Position())
        if position.newest is not None:
            position.newest.end()
        position.subjects = frozenset(subjects)
        position.newest = MemorySubscription(self._logs[partition], position, position.subjects)
        return position.newest

    async def tail(self, subjects: Sequence[str], since: datetime | None = None) -> MemoryTail:
        """See `Broker`."""
        await self.check()
        tail = MemoryTail(frozenset(subjects), self._tails.remove)
        for number, log in enumerate(self._logs if since is not None else ()):
            for stored in log:
                if since is not None and stored.at >= since:
                    tail.see(number, stored)
        self._tails.append(tail)
        return tail

    async def backlog(self, group: str) -> int | None:
        """See `Broker`."""
        await self.check()
        return sum(
            stored.subject in position.subjects and stored.sequence not in position.done
            for (name, partition), position in self._positions.items()
            if name == group
            for stored in self._logs[partition]
        )

    def _is_known(self, message_id: str) -> bool:
        now = time.monotonic()
        while self._known and next(iter(self._known.values())) < now - DEDUPE_SECONDS:
            self._known.popitem(last=False)
        if message_id in self._known:
            return True
        self._known[message_id] = now
        return False


class MemorySubscription:
    """A reader of one partition."""

    def __init__(self, log: list[_Stored], position: _Position, subjects: frozenset[str]) -> None:
        self._log = log
        self._position = position
        self._subjects = subjects
        self._next = 0
        self._ended = False
        self._changed = asyncio.Event()

    async def fetch(self, limit: int, wait: float) -> list[MemoryDelivery]:
        """See `Subscription`."""
        try:
            async with asyncio.timeout(wait):
                while not (found := self._take(limit)):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return []
        return found

    async def close(self) -> None:
        """Ends it."""
        self.end()

    def end(self) -> None:
        """Another one took over."""
        self._ended = True
        self._changed.set()

    def wake(self) -> None:
        """There may be something new."""
        self._changed.set()

    def done(self, stored: _Stored) -> None:
        """Remembers that the message is acknowledged."""
        if not self._ended:
            self._position.done.add(stored.sequence)

    def _take(self, limit: int) -> list[MemoryDelivery]:
        if self._ended:
            raise SubscriptionEnded("another subscription took over")
        found: list[MemoryDelivery] = []
        while self._next < len(self._log) and len(found) < limit:
            stored = self._log[self._next]
            self._next += 1
            if stored.subject in self._subjects and stored.sequence not in self._position.done:
                found.append(MemoryDelivery(self, stored))
        return found


class MemoryDelivery:
    """One message."""

    __slots__ = ("_stored", "_subscription", "body", "sequence", "subject")

    def __init__(self, subscription: MemorySubscription, stored: _Stored) -> None:
        self._subscription = subscription
        self._stored = stored
        self.subject, self.body, self.sequence = stored.subject, stored.body, stored.sequence

    async def acknowledge(self) -> None:
        """See `Delivery`."""
        self._subscription.done(self._stored)

    async def extend(self) -> None:
        """Nothing comes again here but by a take-over."""


class MemoryTail:
    """See `Tail`."""

    def __init__(self, subjects: frozenset[str], leave: Callable[[MemoryTail], None]) -> None:
        self._subjects = subjects
        self._leave = leave
        self._seen: deque[Passing] = deque()
        self._changed = asyncio.Event()
        self._ended = False

    def see(self, partition: int, stored: _Stored) -> None:
        """A message passes."""
        if not self._subjects or stored.subject in self._subjects:
            self._seen.append(Passing(stored.subject, partition, stored.sequence, stored.body))
            self._changed.set()

    def end(self) -> None:
        """The broker stopped."""
        self._ended = True
        self._changed.set()

    async def fetch(self, limit: int, wait: float) -> list[Passing]:
        """See `Tail`."""
        try:
            async with asyncio.timeout(wait):
                while not self._seen and not self._ended:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return []
        if self._ended:
            raise SubscriptionEnded("the broker stopped")
        return [self._seen.popleft() for _ in range(min(limit, len(self._seen)))]

    async def close(self) -> None:
        """See `Tail`."""
        if not self._ended:
            self._ended = True
            self._leave(self)
