"""Keeps the broker's accounts at what their services do: publish their own events, and read what they consume."""

from __future__ import annotations

import asyncio
from pathlib import Path

from atoll.platform.local.accounts import Rights
from atoll.platform.local.asking import service_events
from atoll.platform.local.parts import BrokerPart
from atoll.platform.local.telling import Teller
from atoll.system import Service, System


class Granting:
    """Asks each service's code what it publishes and consumes; of a foreign service, system.py says it.

    root: folder of system.py. A broker that is given, or cannot tell subjects apart, is left as it is.
    """

    def __init__(self, system: System, root: Path, broker: BrokerPart | None, teller: Teller) -> None:
        self._system = system
        self._root = root
        self._broker = broker
        self._teller = teller

    async def all(self) -> None:
        """For every service. Before the broker starts: then it begins with the rights."""
        await self._grant([service for service in self._system.services if service.events])

    async def renew(self, service: str) -> None:
        """For one whose code may have changed; returns when the broker has been told."""
        node = self._system.service(service)
        await self._grant([node] if node.events else [])

    async def _grant(self, services: list[Service]) -> None:
        if self._broker is None or not self._broker.limits or not services:
            return
        found = await asyncio.gather(*(self._rights(service) for service in services))
        await self._broker.grant({service: rights for service, rights in found if rights is not None})

    async def _rights(self, service: Service) -> tuple[str, Rights | None]:
        """None if it cannot be asked: it keeps what it had, and its start says what is wrong with it."""
        events = await asyncio.to_thread(service_events, self._system, self._root, service)
        if events.unknown:
            self._teller.note(service.name, f"its events are not known: {events.unknown}")
            return service.name, None
        publishes, consumes = ([use.subject for use in uses] for uses in (events.publishes, events.consumes))
        return service.name, Rights(tuple(dict.fromkeys(publishes)), tuple(dict.fromkeys(consumes)))
