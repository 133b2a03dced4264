"""The port to what carries messages between services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class SubscriptionEnded(Exception):
    """Someone else took the partition over, or the connection was lost; subscribe again if it is still yours."""


class Delivery(Protocol):
    """One message, delivered."""

    subject: str
    body: bytes

    async def acknowledge(self) -> None: ...

    async def extend(self) -> None: ...


class Subscription(Protocol):
    """The messages of one partition, in order."""

    async def fetch(self, limit: int, wait: float) -> list[Delivery]: ...

    async def close(self) -> None: ...


class Broker(Protocol):
    """What carries messages. A `Component`, with a readiness check."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> None: ...

    async def publish(self, subject: str, key: str, message_id: str, body: bytes) -> None: ...

    async def subscribe(self, group: str, subjects: Sequence[str], partition: int) -> Subscription: ...


def open_broker(url: str, *, system: str) -> Broker:
    """The adapter for ``nats://...`` or ``memory://``; ValueError says which schemes there are."""
    raise NotImplementedError
