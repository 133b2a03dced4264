"""Request coalescing: equal calls at the same time become one (Go's singleflight; nginx's proxy_cache_lock).

Only where declared, and only for operations that change nothing. The key holds the caller's identity: nobody ever gets a
reply that was made for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from atoll.contracts import DeadlineExceeded
from atoll.resilience.records import Coalesced, Hook, ignore
from atoll.service import Handler, Layer, Request

Key = Callable[[Request], Hashable]


def coalesce(key: Key, *, hook: Hook = ignore) -> Layer:
    """The layer. Each waits no longer than its own deadline; the shared call ends when nobody waits for it any more."""

    def layer(inner: Handler) -> Handler:
        flights: dict[Hashable, _Flight] = {}

        async def coalesced(request: Request) -> Any:
            same = key(request)
            flight = flights.get(same)
            if flight is None or flight.given_up:
                return await _lead(flights, same, inner, request)
            hook(Coalesced(request.name))
            try:
                return await flight.wait()
            except DeadlineExceeded:  # the leader's time was shorter; whoever has some left makes the call itself
                request.remaining()
                return await _lead(flights, same, inner, request)

        return coalesced

    return layer


async def _lead(flights: dict[Hashable, _Flight], same: Hashable, inner: Handler, request: Request) -> Any:
    flight = flights[same] = _Flight(inner, request)
    flight.task.add_done_callback(lambda _: _land(flights, same, flight))
    return await flight.wait()


def _land(flights: dict[Hashable, _Flight], same: Hashable, flight: _Flight) -> None:
    if flights.get(same) is flight:
        del flights[same]
    if not flight.task.cancelled():
        flight.task.exception()  # seen, also when every waiter has left


class _Flight:
    """One call and those who wait for it. It has a task of its own, so that no waiter's end is another one's."""

    def __init__(self, inner: Handler, request: Request) -> None:
        self.task: asyncio.Task[Any] = asyncio.create_task(_awaited(inner, request))
        self._waiting = 0
        self.given_up = False  # nobody waited any more: whoever comes now needs a call of his own

    async def wait(self) -> Any:
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self.task.done():
                self.given_up = True
                self.task.cancel()


async def _awaited(inner: Handler, request: Request) -> Any:
    return await inner(request)
