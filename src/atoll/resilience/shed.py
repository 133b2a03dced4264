"""Load shedding: a server that is busy takes no more than it can serve in time (go-zero's adaptiveshedder; TCP BBR).

What it can serve is measured: best rate of replies x shortest time of a reply, each over the last 5 s, is what is in flight
when nothing waits (Little's law); four times that is a queue that still drains in the time of a few replies. A handler that
never waits is never in flight beside another: there the queue is the event loop's, and what has waited in it for too long
already is refused. While the process is not busy, nothing ever is. Health pages are no operations, so they never come here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from atoll.contracts import Unavailable
from atoll.contracts.policies import ShedPolicy
from atoll.resilience.records import Hook, Shed, ignore
from atoll.service import Handler, Layer, Request

BUCKETS = 50  # of the window: rates and times are known by a tenth of a second
RETRY_AFTER = {"retry-after": "1"}
GAIN = 4.0  # requests come in bursts: with no queue at all, a server would idle between them (BBR has 2 to 2.9)


class Shedder:
    """One a server. busy: 0 to 1."""

    def __init__(
        self, policy: ShedPolicy, busy: Callable[[], float], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.in_flight = 0
        self._policy = policy
        self._busy = busy
        self._clock = clock
        self._width = policy.window / BUCKETS
        self._bucket = -1
        self._replies = [0] * BUCKETS
        self._shortest = [float("inf")] * BUCKETS
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
        return self._limit

    def refuses(self, received: float, now: float) -> bool:
        """Whether one more is too many now. received: when it came; 0 if nobody noted it."""
        busy = self._busy() >= self._policy.cpu
        if busy:
            self._busy_until = now + self._policy.cool_off
        if not busy and now >= self._busy_until:
            return False
        limit = self.limit(now)
        return self.in_flight >= max(limit, self._policy.fewest) or (received > 0 and now - received > self._patience)

    def _turn(self, now: float) -> int:
        """The place of the present bucket; what has fallen out of the window is forgotten."""
        bucket = int(now / self._width)
        if bucket != self._bucket:
            for passed in range(max(self._bucket + 1, bucket - BUCKETS + 1), bucket + 1):
                self._replies[passed % BUCKETS] = 0
                self._shortest[passed % BUCKETS] = float("inf")
            self._bucket = bucket
            shortest = min(self._shortest)
            best = max(self._replies) / self._width
            self._limit = best * shortest * GAIN if best else float("inf")
            self._patience = max(self._policy.patience, shortest * GAIN)
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
