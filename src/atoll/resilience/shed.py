"""Load shedding: a server that is busy takes no more than it can serve in time.

Busy is a server that wanted its core for half a second (`Pressure`). While it is, nothing is let in that would wait for
longer than ``patience``: what has waited too long for the event loop, since a handler that never waits queues there; and what is
too much in flight, since one that does wait queues behind the others. What can be served in that time is measured: best rate
of replies in the last 5 s x patience (Little's law), on top of what is in flight when nothing is wrong. The rate is BBR's and
go-zero's adaptiveshedder's; the time in the queue, instead of their product, is CoDel's (RFC 8289): it needs to know nothing
about how long the handlers take. While the process is not busy, nothing is refused. Health pages are no operations, so they never
come here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from atoll.contracts import Unavailable
from atoll.contracts.policies import ShedPolicy
from atoll.resilience.pressure import Pressure
from atoll.resilience.records import Hook, Shed, ignore
from atoll.service import Handler, Layer, Request

BUCKETS = 50  # of the window: rates and times are known by a tenth of a second
RETRY_AFTER = {"retry-after": "1"}
GAIN = 4.0  # of the shortest replies: where one takes longer than the patience, a few may wait behind it all the same
STANDING = 0.2  # of the patience: a loop that is mostly later has a queue that stands
FADING = 0.999  # of what is usual in flight, at each request: a peak is forgotten after some thousands


class Shedder:
    """One a server. ``pressure`` has a value and a lateness."""

    def __init__(self, policy: ShedPolicy, pressure: Pressure, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.in_flight = 0
        self._policy = policy
        self._pressure = pressure
        self._clock = clock
        self._width = policy.window / BUCKETS
        self._bucket = -1
        self._replies = [0] * BUCKETS
        self._shortest = [float("inf")] * BUCKETS
        self._usual = 0.0
        self._limit = float("inf")
        self._patience = float("inf")
        self._busy_until = 0.0

    def end(self, began: float, now: float) -> None:
        """A request that went in came out well."""
        self.in_flight -= 1
        at = self._turn(now)
        self._replies[at] += 1
        took = now - began
        self._shortest[at] = min(self._shortest[at], took)

    def limit(self, now: float) -> float:
        """How many in flight can be served in time; without end if that is not known yet."""
        self._turn(now)
        return self._usual + self._limit

    def refuses(self, received: float, now: float) -> bool:
        """Whether one more is too many now. received: when it came; 0 if nobody noted it."""
        if self._pressure() >= self._policy.cpu:
            self._busy_until = now + self._policy.cool_off
        elif now >= self._busy_until:
            self._usual = max(self._usual * FADING, self.in_flight)
            return False
        if self.in_flight >= max(self.limit(now), self._policy.fewest):
            return True
        if self._pressure.standing < STANDING * self._patience:
            return False  # a moment's pause: what waited for it is served soon
        return received > 0 and now - received + self._pressure.late > self._patience

    def _turn(self, now: float) -> int:
        """The place of the present bucket; what has fallen out of the window is forgotten."""
        bucket = int(now / self._width)
        if bucket != self._bucket:
            for passed in range(max(self._bucket + 1, bucket - BUCKETS + 1), bucket + 1):
                self._replies[passed % BUCKETS] = 0
                self._shortest[passed % BUCKETS] = float("inf")
            self._bucket = bucket
            best = max(self._replies) / self._width
            self._patience = max(self._policy.patience, min(self._shortest) * GAIN)
            self._limit = best * self._patience if best else float("inf")
        return bucket % BUCKETS


def shed(shedder: Shedder, *, hook: Hook = ignore, clock: Callable[[], float] = time.monotonic) -> Layer:
    """The layer: Unavailable (503) with ``retry-after``."""

    def layer(inner: Handler) -> Handler:
        async def shedding(request: Request) -> Any:
            now = clock()
            if shedder.refuses(request.received, now):
                waited = now - request.received if request.received else 0.0
                hook(Shed(request.name, shedder.in_flight, shedder.limit(now), waited))
                raise Unavailable("the service has more to do than it can; come back later", headers=RETRY_AFTER)
            shedder.in_flight += 1
            try:
                reply = await inner(request)
            except BaseException:
                shedder.in_flight -= 1
                raise
            shedder.end(now, clock())
            return reply

        return shedding

    return layer
