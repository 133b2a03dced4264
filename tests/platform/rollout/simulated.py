"""A clock that nobody waits for, and releases that behave as a test says."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

import msgspec

from atoll.platform.rollout import Engine, MemoryFleet, Reading, Rollout, Rollouts
from atoll.system import BlueGreen, Canary, Rolling, Service, System, Trouble

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, inf)
USUAL = (0.1, 0.5, 0.85, 0.95, 0.975, 0.99, 0.999, 1, 1, 1, 1, 1)  # shares of requests within each bound
SLOW = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 0.9, 1, 1, 1, 1)
TWICE = (0.02, 0.1, 0.45, 0.83, 0.91, 0.95, 0.985, 0.999, 1, 1, 1, 1)
HOUR = 3_600.0  # seconds
BEGAN = 1_700_000_000.0


class FakeClock:
    """Time passes when somebody waits; what is due then is done."""

    def __init__(self) -> None:
        self.time = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    def at(self, seconds: float, do: Callable[[], object]) -> None:
        heapq.heappush(self._due, (seconds, next(self._order), do))

    def now(self) -> float:
        return self.time

    def date(self) -> float:
        return BEGAN + self.time

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        await asyncio.sleep(0)
        until = self.time + max(0.0, seconds)
        while self._due and self._due[0][0] <= until and not event.is_set():
            moment, _, do = heapq.heappop(self._due)
            self.time = max(self.time, moment)
            do()
            await asyncio.sleep(0)
        if not event.is_set():
            self.time = max(self.time, until)


class StandingClock(FakeClock):
    """Stands still before a wait of an hour or more: who waits so long is still waiting until it is woken."""

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        if seconds < HOUR:
            await super().wait(event, seconds)
        else:
            await event.wait()


@dataclass
class Behaviour:
    """rps: requests a second at 100 %. errors: the share that fails. within: shares of requests within each bound.

    cold: so many requests of its life are slow. inside: calls a second that no gateway sees, of which none fails, at 100 %.
    """

    rps: float = 200.0
    errors: float = 0.0
    within: tuple[float, ...] = USUAL
    crashes_after: float = inf
    ready: bool = True
    reached: bool = True
    handled: float = 0.0
    failed: float = 0.0
    cold: float = 0.0
    inside: float = 0.0


@dataclass
class World:
    """A fleet whose releases serve the traffic that its shares give them."""

    clock: FakeClock = field(default_factory=FakeClock)
    fleet: MemoryFleet = field(default_factory=MemoryFleet)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    _counts: dict[tuple[str, str], Reading] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fleet.readings = self._reading

    def _reading(self, service: str, release: str) -> Reading:
        known = self._counts.get((service, release), Reading(self.clock.time))
        behaviour = self.behaviours.setdefault(release, Behaviour())
        passed = self.clock.time - known.at
        share = (
            self.fleet.shares[service].get(release, 0) / 100 + self.fleet.shadows.get(service, {}).get(release, 0) / 100
        )
        more = behaviour.rps * share * passed
        cold = min(more, max(0.0, behaviour.cold - known.requests))
        buckets = {
            bound: known.buckets.get(bound, 0) + cold * slow + (more - cold) * part
            for bound, slow, part in zip(BOUNDS, SLOW, behaviour.within, strict=True)
        }
        instances = self.fleet.instances[service][release]
        now = Reading(
            self.clock.time,
            known.requests + more + behaviour.inside * share * passed,
            known.errors + more * behaviour.errors,
            buckets,
            int(self.clock.time >= behaviour.crashes_after),
            instances if behaviour.ready else 0,
            instances,
            known.handled + behaviour.handled * passed,
            known.failed + behaviour.failed * passed,
            behaviour.reached,
            known.at_gateway + more,
            known.failed_at_gateway + more * behaviour.errors,
        )
        self._counts[service, release] = now
        return now


class MemoryJournal:
    """Keeps what a disk would: bytes. before: called before each write, after: after it; either may raise.

    reads: how often the earlier ones were read.
    """

    def __init__(self) -> None:
        self.kept: dict[str, list[bytes]] = {}
        self.writes = self.reads = 0
        self.before: Callable[[int], None] = lambda _: None
        self.after: Callable[[int], None] = lambda _: None

    def save(self, rollout: Rollout) -> None:
        self.writes += 1
        self.before(self.writes)
        kept = self.kept.setdefault(rollout.service, [])
        if kept and msgspec.json.decode(kept[-1], type=Rollout).number == rollout.number:
            kept.pop()
        kept.append(msgspec.json.encode(rollout))
        self.after(self.writes)

    def latest(self, service: str) -> Rollout | None:
        kept = self.kept.get(service)
        return msgspec.json.decode(kept[-1], type=Rollout) if kept else None

    def services(self) -> tuple[str, ...]:
        return tuple(self.kept)

    def earlier(self, service: str) -> tuple[Rollout, ...]:
        self.reads += 1
        return tuple(msgspec.json.decode(one, type=Rollout) for one in reversed(self.kept.get(service, [])[:-1]))

    def damaged(self, service: str) -> tuple[str, ...]:
        return ()


class AnyRelease:
    """Every release is on the shelf, but those that begin with ``no``."""

    def resolve(self, service: str, release: str) -> str:
        if release.startswith("no"):
            raise Trouble(f"{service} has no release {release!r}")
        return release


@dataclass
class OpenGate:
    """Refuses what it is told to."""

    refused: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def refusals(self, service: str, old: str, new: str) -> tuple[str, ...]:
        await asyncio.sleep(0)
        return self.refused.get(new, ())


QUICK = Canary(interval=10.0)


def shop(strategy: Canary | BlueGreen | Rolling = QUICK) -> System:
    services = (
        Service("orders", serve="a:b", rollout=strategy),
        Service("payments", serve="a:b", rollout=strategy),
    )
    return System("shop", services=services)


@dataclass
class Desk:
    """A supervisor's worth of rollouts, that can be killed and begun anew."""

    world: World = field(default_factory=World)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    system: System = field(default_factory=shop)
    gate: OpenGate = field(default_factory=OpenGate)

    def __post_init__(self) -> None:
        for service in ("orders", "payments"):
            self.world.fleet.add(service, "old")

    def open(self) -> Rollouts:
        engine = Engine(self.world.fleet, self.journal, self.world.clock)
        return Rollouts(self.system, engine, AnyRelease(), self.gate)

    def declared(self, strategy: Canary | BlueGreen | Rolling) -> Desk:
        self.system = shop(strategy)
        return self

    def behaves(self, release: str, **options: object) -> Desk:
        known = self.world.behaviours.get(release, Behaviour())
        self.world.behaviours[release] = replace(known, **options)  # type: ignore[arg-type]
        return self


async def ended(rollouts: Rollouts, service: str = "orders") -> Rollout:
    """Waits, without time, until it is over."""
    found = rollouts.latest()[service]
    for _ in range(200_000):
        if found.over:
            return found
        await asyncio.sleep(0)
    raise AssertionError(f"it does not end: {found.phase}, {found.entries[-3:]}")
