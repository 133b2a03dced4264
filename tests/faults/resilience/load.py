"""Load as the world sends it: open loop (whether or not the last ones were answered), and what became of each request."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from atoll.contracts.errors import Error

Call = Callable[[], Awaitable[Any]]


@dataclass
class Outcomes:
    """seconds: of the accepted ones, in the order of their ends. refused: by status. spent: seconds of each that failed."""

    seconds: list[float] = field(default_factory=list)
    failed: Counter[int] = field(default_factory=Counter)
    failed_seconds: list[float] = field(default_factory=list)
    offered: int = 0
    lasted: float = 0.0

    def quantile(self, share: float) -> float:
        """Of the accepted ones' seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0

    @property
    def goodput(self) -> float:
        """Accepted a second."""
        return len(self.seconds) / self.lasted

    def __str__(self) -> str:
        return (
            f"{self.offered / self.lasted:7.0f}/s offered {self.goodput:7.0f}/s good"
            f"  p50 {self.quantile(0.5) * 1e3:7.1f} ms  p99 {self.quantile(0.99) * 1e3:7.1f} ms  failed {dict(self.failed)}"
        )


async def offer(call: Call, *, rate: float, seconds: float, chance: random.Random, onset: float = 0.0) -> Outcomes:
    """So many calls a second, at random moments (Poisson); returns when each has its outcome.

    onset: seconds at the beginning whose calls are made, but not counted.
    """
    found, uncounted = Outcomes(), Outcomes()
    seconds += onset
    tasks: set[asyncio.Task[None]] = set()
    began = due = time.perf_counter()
    while due - began < seconds:
        now = time.perf_counter()
        if due > now:
            await asyncio.sleep(due - now)
        counted = found if due - began >= onset else uncounted
        task = asyncio.create_task(_one(call, counted))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        counted.offered += 1
        due += chance.expovariate(rate)
    found.lasted = time.perf_counter() - began - onset
    if tasks:
        await asyncio.wait(tasks)
    return found


async def at_once(call: Call, count: int) -> Outcomes:
    """So many at the same time."""
    found = Outcomes(offered=count)
    began = time.perf_counter()
    await asyncio.gather(*(_one(call, found) for _ in range(count)))
    found.lasted = time.perf_counter() - began
    return found


async def _one(call: Call, found: Outcomes) -> None:
    began = time.perf_counter()
    try:
        await call()
    except Error as error:
        found.failed[error.status] += 1
        found.failed_seconds.append(time.perf_counter() - began)
    else:
        found.seconds.append(time.perf_counter() - began)


def seeded(seed: int | None = None) -> random.Random:
    """Chance whose seed is printed, so that a run can be repeated."""
    seed = random.randrange(2**32) if seed is None else seed
    print(f"seed {seed}")
    return random.Random(seed)
