"""Faults on purpose: a delay or errors on one edge, for a while, to see what the rest of the system makes of it.

`Faults` holds what is ordered now, each with the moment at which it ends: it ends then, whatever became of whoever ordered it.
The layer stands innermost, so that breaker, balancing and retries see the fault as the callee's own.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from atoll.contracts import Error, Problem, Unavailable
from atoll.contracts.errors import error_from_problem
from atoll.resilience.records import Faulted, Hook, ignore
from atoll.service import Handler, Layer, Request
from atoll.service.tracing import SpanPlan, recording_span

_WAIT = SpanPlan("delay on purpose", attributes={"atoll.fault": "delay"})


@dataclass(frozen=True, slots=True)
class Fault:
    """delay: seconds that a call waits, and share: of so many calls. error: share that fails with ``status``.

    until: second of the clock.
    """

    delay: float = 0.0
    error: float = 0.0
    status: int = 503
    until: float = float("inf")
    share: float = 1.0


class Faults:
    """The faults of one process's calls, by the called service."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._active: dict[str, Fault] = {}

    def replace(self, faults: Mapping[str, Fault]) -> None:
        """These and no others."""
        self._active = dict(faults)

    def of(self, target: str) -> Fault | None:
        """The fault on calls to a service, if there is one now."""
        fault = self._active.get(target)
        if fault is not None and self._clock() >= fault.until:
            del self._active[target]
            return None
        return fault

    def fails(self, fault: Fault) -> bool:
        """Whether this call is among those that fail."""
        return self._chance() < fault.error

    def delay(self, fault: Fault) -> float:
        """The seconds that this call waits, if it is among those that do."""
        waits = fault.delay and (fault.share >= 1 or self._chance() < fault.share)
        return fault.delay if waits else 0.0


def faulty(
    faults: Faults, target: str, *, hook: Hook = ignore, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> Layer:
    """The layer around the calls to ``target``."""

    def layer(inner: Handler) -> Handler:
        async def with_faults(request: Request) -> Any:
            fault = faults.of(target)
            if fault is None:
                return await inner(request)
            delay, fails = faults.delay(fault), faults.fails(fault)
            if delay or fails:
                hook(Faulted(request.name, delay, fault.status if fails else 0))
            if delay:
                await _wait(delay, target, sleep)
            if fails:
                raise _error(fault, target)
            return await inner(request)

        return with_faults

    return layer


async def _wait(delay: float, target: str, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Waits, and says so in the trace: nobody should have to guess where that time went."""
    started = time.time_ns()
    await sleep(delay)
    span = recording_span()
    if span is not None:
        span.leaf(_WAIT, started, {"peer.service": target})


def _error(fault: Fault, target: str) -> Error:
    detail = f"{target} fails on purpose: somebody ordered it with 'atoll fault'"
    error = error_from_problem(Problem(status=fault.status, detail=detail), {}) if fault.status else Unavailable(detail)
    error.source = target
    return error
