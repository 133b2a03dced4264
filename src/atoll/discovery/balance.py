"""`Balancer`: which endpoint gets the next call. Power of two choices over peak EWMA latency.

Peak EWMA (Finagle): a slow reply raises an endpoint's cost at once, fast ones lower it over 10 s; multiplied by what is in
flight there. Two endpoints are drawn at random by weight, and the cheaper one is taken (Mitzenmacher, 2001).

Where there are several releases, the release is drawn first, so that a canary gets its share exactly, however fast or slow
it is; a tester's wish for one that is there goes before that. A new endpoint among older ones starts slowly: its caches are
cold. One that is gone finishes what it has.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import exp

from atoll.discovery.registry import Endpoint, Registry
from atoll.service.lifecycle import end

DECAY = 10.0  # seconds
FIRST_COST = 0.001  # seconds assumed of an endpoint that was never called: it is tried soon
FIRST_WAIT = 1.0  # seconds that a call waits for the first endpoints after start
SLOW_START = 10.0  # seconds in which a new endpoint grows from a tenth of its share to all of it
COLDEST = 0.1
STARTING = 5.0  # seconds after start in which a call does wait; later a service without endpoints is known to be away

Clock = Callable[[], float]
Usable = Callable[[Endpoint], bool]
Watcher = Callable[[tuple[Endpoint, ...]], None]


class Load:
    """What is known of one endpoint: its smoothed latency, and what is in flight."""

    __slots__ = ("_at", "_clock", "_cost", "_warm_at", "endpoint", "in_flight")

    def __init__(self, endpoint: Endpoint, clock: Clock, *, cold: bool = False) -> None:
        self.endpoint = endpoint
        self.in_flight = 0
        self._warm_at = clock() + SLOW_START if cold else 0.0
        self._clock = clock
        self._at = clock()
        self._cost = 0.0

    def begin(self) -> float:
        """A call begins; hand the result to `end`."""
        self.in_flight += 1
        return self._clock()

    def end(self, began: float, *, measured: bool = True) -> None:
        """It ended. measured: whether its time says something (a failure at once does not make an endpoint fast)."""
        self.in_flight -= 1
        if measured:
            now = self._clock()
            self._observe(max(0.0, now - began), now)

    def slow(self, began: float) -> bool:
        """Whether a call that began then has taken longer than is usual here."""
        return self._clock() - began > self._cost

    def cost(self, now: float) -> float:
        """Seconds of waiting to be expected here; more than that while the endpoint is cold."""
        cost = self._cost * exp((self._at - now) / DECAY)
        cost = max(cost, FIRST_COST)
        if now < self._warm_at:
            cost /= max(COLDEST, 1 - (self._warm_at - now) / SLOW_START)
        return cost * (self.in_flight + 1)

    def _observe(self, latency: float, now: float) -> None:
        if latency >= self._cost:
            self._cost = latency  # the peak counts at once
        else:
            kept = exp((self._at - now) / DECAY)
            self._cost = self._cost * kept + latency * (1 - kept)
        self._at = now


class Balancer:
    """Watches one service and picks among its endpoints. A `Component`: start it before calls, stop it after."""

    def __init__(
        self, service: str, registry: Registry, *, clock: Clock = time.monotonic, chance: random.Random | None = None
    ) -> None:
        self.service = service
        self._registry = registry
        self._clock = clock
        self._random = chance or random.Random()
        self._loads: dict[str, Load] = {}
        self._candidates: tuple[Load, ...] = ()
        self._even = True
        self._watchers: list[Watcher] = []
        self._known = asyncio.Event()
        self._patient_until = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to watch, without waiting for an endpoint."""
        if self._task is None:
            self._patient_until = self._clock() + STARTING
            self._task = asyncio.create_task(self._watch(), name=f"balancer of {self.service}")

    async def stop(self) -> None:
        """Ends watching."""
        task, self._task = self._task, None
        await end(task)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What is known now."""
        return tuple(load.endpoint for load in self._loads.values())

    def on_change(self, watcher: Watcher) -> None:
        """``watcher`` is told of the endpoints after each change, so that it forgets what is gone."""
        self._watchers.append(watcher)

    async def ready(self, timeout: float = FIRST_WAIT) -> bool:
        """Whether there is an endpoint. Just after the start it waits for the first ones, ``timeout`` seconds at the most."""
        left = self._patient_until - self._clock()
        if not self._candidates and left > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(timeout, left)):
                    await self._known.wait()
        return bool(self._candidates)

    def pick(self, *, tried: Endpoint | None = None, usable: Usable | None = None, release: str = "") -> Load | None:
        """The endpoint for the next call; None if there is none.

        tried: the endpoint that just failed, avoided while there is another. usable: refuses endpoints, as open breakers
        do; if it refuses all, any may be picked, so that a service is never given up for good. release: the one that is
        wished for, whatever its weight; if it is not there, the wish is ignored.
        """
        candidates: Sequence[Load] = self._candidates
        if release and (wished := [load for load in self._loads.values() if load.endpoint.release == release]):
            return self._cheaper(_narrowed(wished, tried, usable))
        if tried is not None or usable is not None:
            candidates = _narrowed(candidates, tried, usable)
        if not self._even and len(candidates) > 1:
            return self._by_weight(candidates)
        return self._cheaper(candidates)

    def _by_weight(self, candidates: Sequence[Load]) -> Load:
        """A release by its share, then the cheaper of two of its endpoints, each drawn by weight."""
        chosen = self._drawn(candidates).endpoint.release
        among = [load for load in candidates if load.endpoint.release == chosen]
        first, second = self._drawn(among), self._drawn(among)
        now = self._clock()
        return first if first.cost(now) <= second.cost(now) else second

    def _drawn(self, candidates: Sequence[Load]) -> Load:
        return self._random.choices(candidates, [load.endpoint.weight for load in candidates])[0]

    def _cheaper(self, candidates: Sequence[Load]) -> Load | None:
        count = len(candidates)
        if count < 2:
            return candidates[0] if candidates else None
        chance = self._random.random
        at = int(chance() * count)
        other = int(chance() * (count - 1))
        first, second = candidates[at], candidates[other if other < at else other + 1]
        now = self._clock()
        return first if first.cost(now) <= second.cost(now) else second

    async def _watch(self) -> None:
        watching = self._registry.watch(self.service)
        try:
            async for endpoints in watching:
                self._replace(endpoints)
        finally:
            await watching.aclose()

    def _replace(self, endpoints: tuple[Endpoint, ...]) -> None:
        old = self._loads
        self._loads = {}
        for endpoint in endpoints:
            load = old.get(endpoint.url)
            if load is None:
                load = Load(endpoint, self._clock, cold=bool(old))  # the first ones are all as cold
            load.endpoint = endpoint
            self._loads[endpoint.url] = load
        self._candidates = tuple(load for load in self._loads.values() if load.endpoint.weight > 0)
        self._even = len({(load.endpoint.release, load.endpoint.weight) for load in self._candidates}) < 2
        if self._candidates:
            self._known.set()
        else:
            self._known.clear()
        for watcher in self._watchers:
            watcher(endpoints)


def _narrowed(candidates: Sequence[Load], tried: Endpoint | None, usable: Usable | None) -> Sequence[Load]:
    others = [load for load in candidates if tried is None or load.endpoint.url != tried.url]
    well = [load for load in others if usable is None or usable(load.endpoint)]
    return well or others or candidates
