"""`Consumer`: hands events to handlers."""

from __future__ import annotations

from collections.abc import Mapping

from atoll.contracts import Event
from atoll.data import Database
from atoll.messaging.broker import Broker
from atoll.service import Handler


class Consumer:
    """Delivers events to the service's handlers; a `Component`.

    subscriptions: the handler for each event; it finds its unit of work in ``request.scope[Work]``. group: the service's name.
    """

    def __init__(
        self,
        database: Database,
        broker: Broker,
        subscriptions: Mapping[type[Event], Handler],
        *,
        group: str,
        in_flight: int = 32,
        ordered: bool = True,
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Begins, without waiting for database or broker."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stops after the current messages."""
        raise NotImplementedError
