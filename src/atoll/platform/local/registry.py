"""Which instances of each service are ready: what the services' clients and the gateway learn from."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

import msgspec

DEFAULT_WEIGHT = 100


class Listed(msgspec.Struct, frozen=True):
    """One instance. url: base URL. weight: its share of the traffic, relative to the others'.

    work: its share of the events and sagas, relative to the others'; where it is not set, its weight.
    """

    url: str
    instance: str
    release: str = "dev"
    weight: int = DEFAULT_WEIGHT
    work: int | msgspec.UnsetType = msgspec.UNSET


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
        self._waiting: dict[str, int] = {}
        self._asked_again: dict[str, _Returning] = {}

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
            self._returned(service)
            self._waiting[service] = self._waiting.get(service, 0) + 1
            try:
                async with asyncio.timeout(seconds):
                    await event.wait()
            except TimeoutError:
                pass  # the long poll's answer is then the present listing
            finally:
                self._waiting[service] -= 1
        return self._listings[service]

    async def told(self, service: str, seconds: float) -> bool:
        """Whether all who waited for the last change know it: they have come back and ask for the next one."""
        returning = self._asked_again.get(service)
        if returning is not None and returning.missing > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await returning.done.wait()
        return returning is None or returning.missing <= 0

    def put(self, service: str, listed: Listed) -> None:
        """Add the instance, or change it."""
        self.put_all(service, [listed])

    def put_all(self, service: str, listed: Iterable[Listed]) -> None:
        """Add or change several at once: nobody sees some of them only."""
        changed = {one.instance: one for one in listed}
        others = [known for known in self.get(service).endpoints if known.instance not in changed]
        self._set(service, [*others, *changed.values()])

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
            self._asked_again[service] = _Returning(self._waiting.get(service, 0))
            event.set()
        self._changed()

    def _returned(self, service: str) -> None:
        if (returning := self._asked_again.get(service)) is not None:
            returning.one()


class _Returning:
    """Those who were told of a change, and are to ask for the next. missing: how many did not yet."""

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self.done = asyncio.Event()

    def one(self) -> None:
        self.missing -= 1
        if self.missing <= 0:
            self.done.set()
