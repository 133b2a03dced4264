"""Keeps the broker's accounts at what their services do: publish their own events, and read what they consume."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from atoll.contracts.compatibility.documents import consumed_in, published_in
from atoll.platform.local.accounts import Rights
from atoll.platform.local.asking import service_events
from atoll.platform.local.parts import BrokerPart
from atoll.platform.local.programs import TREE, Programs
from atoll.platform.local.telling import Teller
from atoll.system import Service, System


class Granting:
    """Asks services' code what they publish and consume; system.py tells it of a foreign service, its document of a release.

    An account is its service's, whichever releases of it run: it may do what any of them does. root: folder of system.py.
    releases: those of a service that run, or are about to. A broker that is given, or cannot tell subjects apart, is left as it
    is.
    """

    def __init__(
        self,
        system: System,
        root: Path,
        broker: BrokerPart | None,
        teller: Teller,
        programs: Programs,
        releases: Callable[[str], Iterable[str]],
    ) -> None:
        self._system = system
        self._root = root
        self._broker = broker
        self._teller = teller
        self._programs = programs
        self._releases = releases

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
        released = [self._of_release(service, release) for release in self._releases(service.name) if release != TREE]
        if events.unknown:
            self._teller.note(service.name, f"its events are not known: {events.unknown}")
            if not released:
                return service.name, None
        publishes = [use.subject for use in events.publishes]
        consumes = [use.subject for use in events.consumes]
        for rights in released:
            publishes += rights.publishes
            consumes += rights.consumes
        return service.name, Rights(tuple(dict.fromkeys(publishes)), tuple(dict.fromkeys(consumes)))

    def _of_release(self, service: Service, release: str) -> Rights:
        """Nothing, for one without events; Trouble if there is no such release."""
        contract = self._programs.of(service, release).contract
        if contract is None or not (document := contract / "asyncapi.json").exists():
            return Rights()
        asyncapi = msgspec.json.decode(document.read_bytes())
        return Rights(tuple(published_in(asyncapi)), tuple(consumed_in(asyncapi)))
