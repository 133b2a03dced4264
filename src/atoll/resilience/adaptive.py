"""Adaptive concurrency: a limit on what is in flight in one operation, that follows its latency (Netflix's Gradient2).

`shed` protects the processor; this protects what stands behind the handler: a pool, a disk, another service, where work
queues up while the processor is idle. When replies take longer than they use to, the limit falls; when they don't, it
grows by its square root. Usual is what was seen while less than half of the limit was in flight, or no less was possible:
Gradient2 learns it from everything, so that a queue that stands for a while becomes usual itself. It is for each operation
by itself, so that a hung dependency costs only those who use it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from atoll.contracts import Unavailable
from atoll.contracts.policies import AdaptivePolicy
from atoll.resilience.classify import Outcome, classify
from atoll.resilience.records import BulkheadFull, Hook, ignore
from atoll.service import Handler, Layer, Request

USUAL = 600  # replies over which the usual latency is smoothed
RECENT = 10  # replies over which the present one is
BACK_OFF = 0.9  # of the limit that is left after a timeout


class Gradient:
    """The limit. `sample` each reply's seconds, with how many were in flight when it began."""

    def __init__(self, policy: AdaptivePolicy) -> None:
        self._policy = policy
        self.limit = float(policy.start)
        self._usual = 0.0
        self._recent = 0.0

    def sample(self, seconds: float, in_flight: int) -> None:
        """A reply."""
        self._recent = _smoothed(self._recent, seconds, RECENT)
        few = in_flight * 2 < self.limit
        if (
            few or not self._usual or self.limit <= self._policy.least
        ):  # what waits in a queue says nothing about what is usual
            self._usual = _smoothed(self._usual, seconds, USUAL)
        if self._usual > 2 * self._recent:  # it was slow for long and is not any more: don't take that for usual
            self._usual *= 0.95
        if few:
            return  # so few say nothing about the limit
        gradient = max(0.5, min(1.0, self._policy.tolerance * self._usual / max(self._recent, 1e-9)))
        step = 1 / self.limit  # all of it while as many are answered as were let in: what a change does shows only then
        self._set(self.limit + (self.limit * gradient + math.sqrt(self.limit) - self.limit) * step)

    def timed_out(self) -> None:
        """No reply in time."""
        self._set(self.limit * BACK_OFF)

    def _set(self, limit: float) -> None:
        self.limit = min(max(limit, self._policy.least), self._policy.most)


def adaptive(policy: AdaptivePolicy, *, hook: Hook = ignore, clock: Callable[[], float] = time.monotonic) -> Layer:
    """The layer: Unavailable with ``retry-after`` for what is over the limit. Each handler has a limit of its own."""

    def layer(inner: Handler) -> Handler:
        gradient = Gradient(policy)
        in_flight = 0

        async def bounded(request: Request) -> Any:
            nonlocal in_flight
            if in_flight >= gradient.limit:
                hook(BulkheadFull(request.name, int(gradient.limit)))
                text = f"{request.name}: {in_flight} are in flight, and replies get slower"
                raise Unavailable(text, headers={"retry-after": "1"})
            in_flight += 1
            there, began = in_flight, clock()
            try:
                reply = await inner(request)
            except BaseException as failure:
                if classify(failure) in (Outcome.TIMED_OUT, Outcome.CANCELLED):  # a deadline cancels from outside
                    gradient.timed_out()
                raise
            else:
                gradient.sample(clock() - began, there)
                return reply
            finally:
                in_flight -= 1

        return bounded

    return layer


def _smoothed(old: float, new: float, over: int) -> float:
    return new if not old else old + (new - old) / over
