"""Hedging: when a reply is late, ask another instance too, and take what comes first (Dean and Barroso, "The Tail at Scale").

Only idempotent operations, only after the time in which 95 % are answered, at most 5 % extra (Finagle's BackupRequestFilter),
and charged to the retry budget: a hedge is a retry that did not wait for the failure. The loser is cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from atoll.contracts.policies import BudgetPolicy, HedgePolicy
from atoll.resilience.budget import RetryBudget
from atoll.resilience.records import BudgetExhausted, Hedged, Hook, ignore
from atoll.service import Handler, Layer, Request

KEPT = 256  # latencies
RECKONED_EVERY = 16  # calls


def hedge(
    policy: HedgePolicy, budget: RetryBudget, *, hook: Hook = ignore, clock: Callable[[], float] = time.monotonic
) -> Layer:
    """The layer. The first reply counts; if both attempts fail, the first one's error is raised."""

    def layer(inner: Handler) -> Handler:
        usual = Latencies(policy.quantile, policy.at_least)
        extra = RetryBudget(BudgetPolicy(share=policy.share, per_second=0.0), clock=clock)

        async def hedged(request: Request) -> Any:
            extra.deposit()
            began = clock()
            delay = usual.quantile()
            if delay is None:
                reply = await inner(request)
            else:
                reply = await _raced(inner, request, delay, lambda: _allowed(request.name))
            usual.add(clock() - began)
            return reply

        def _allowed(name: str) -> bool:
            if extra.withdraw() and budget.withdraw():
                hook(Hedged(name, usual.quantile() or 0.0))
                return True
            hook(BudgetExhausted(name))
            return False

        return hedged

    return layer


class Latencies:
    """The last ones, and their quantile; None until there are enough."""

    def __init__(self, quantile: float, at_least: int) -> None:
        self._share = quantile
        self._at_least = at_least
        self._last: deque[float] = deque(maxlen=KEPT)
        self._new = 0
        self._value: float | None = None

    def add(self, seconds: float) -> None:
        """One more."""
        self._last.append(seconds)
        self._new += 1
        if len(self._last) >= self._at_least and (self._value is None or self._new >= RECKONED_EVERY):
            self._new = 0
            ordered = sorted(self._last)
            self._value = ordered[min(int(self._share * len(ordered)), len(ordered) - 1)]

    def quantile(self) -> float | None:
        """Seconds."""
        return self._value


async def _raced(inner: Handler, request: Request, delay: float, allowed: Callable[[], bool]) -> Any:
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(inner(request))]
    try:
        done, _ = await asyncio.wait(tasks, timeout=delay)
        if not done and allowed():
            tasks.append(asyncio.ensure_future(inner(request.twin())))
        return await _first_success(tasks)
    finally:
        for task in tasks:
            if task.done():
                _seen(task)  # who waited may have been cancelled just then, or both ended at once
            else:
                task.add_done_callback(_seen)
                task.cancel()


async def _first_success(tasks: list[asyncio.Future[Any]]) -> Any:
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                return task.result()
    return tasks[0].result()


def _seen(task: asyncio.Future[Any]) -> None:
    """A loser's failure is nobody's business; asking for it keeps asyncio from reporting it."""
    if not task.cancelled():
        task.exception()
