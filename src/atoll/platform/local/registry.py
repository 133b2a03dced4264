"""Which instances of each service are ready: what the services' clients and the gateway learn from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec

DEFAULT_WEIGHT = 100


class Listed(msgspec.Struct, frozen=True):
    """One instance. url: base URL. weight: its share of the traffic, relative to the others'."""

    url: str
    instance: str
    release: str = "dev"
    weight: int = DEFAULT_WEIGHT


class Listing(msgspec.Struct, frozen=True):
    """The instances of one service. version grows with each change."""

    version: int
    endpoints: tuple[Listed, ...]


class Registry:
    """The built-in registry. changed: called after each change."""

    def __init__(self, services: Iterable[str], changed: Callable[[], None]) -> None:
        self._listings = {name: Listing(1, ()) for name in services}
        self._changed = changed
        self._wake: dict[str, asyncio.Event] = {}

    def __contains__(self, service: str) -> bool:
        return service in self._listings

    def add_service(self, service: str) -> None:
        self._listings.setdefault(service, Listing(1, ()))

    def get(self, service: str) -> Listing:
        """KeyError if there is no such service."""
        return self._listings[service]

    def all(self) -> dict[str, tuple[Listed, ...]]:
        return {name: listing.endpoints for name, listing in self._listings.items()}

    async def after(self, service: str, version: int, seconds: float) -> Listing:
        """The listing as soon as it is newer than ``version``; after ``seconds`` the present one."""
        if self._listings[service].version <= version:
            event = self._wake.setdefault(service, asyncio.Event())
            try:
                async with asyncio.timeout(seconds):
                    await event.wait()
            except TimeoutError:
                pass  # the long poll's answer is then the present listing
        return self._listings[service]

    def put(self, service: str, listed: Listed) -> None:
        """Add the instance, or change it."""
        others = [known for known in self.get(service).endpoints if known.instance != listed.instance]
        self._set(service, [*others, listed])

    def remove(self, service: str, instance: str) -> None:
        """Take the instance out; nothing happens if it is not there."""
        self._set(service, [known for known in self.get(service).endpoints if known.instance != instance])

    def _set(self, service: str, endpoints: list[Listed]) -> None:
        before = self._listings[service]
        after = tuple(sorted(endpoints, key=lambda listed: listed.instance))
        if after == before.endpoints:
            return
        self._listings[service] = Listing(before.version + 1, after)
        if event := self._wake.pop(service, None):
            event.set()
        self._changed()
