"""`Relay`: publishes the outbox."""

from __future__ import annotations

from atoll.data import Database
from atoll.messaging.broker import Broker


class Relay:
    """Publishes what the service's outbox holds; a `Component`. One instance of the service does it at a time."""

    def __init__(self, database: Database, broker: Broker, *, system: str, service: str) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Begins, without waiting for database or broker."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stops after what is being published."""
        raise NotImplementedError
