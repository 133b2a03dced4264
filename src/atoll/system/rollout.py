"""How a service moves from one release to another, as system.py declares it; and what its own checks are given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from atoll.system.places import place as _place
from atoll.system.types import require_types

if TYPE_CHECKING:
    from atoll.system.model import System


@dataclass(frozen=True, slots=True)
class Sample:
    """What one release of a service did within a window.

    requests, errors: answered, and those of them answered by 5xx or not at all. buckets: upper bound of a duration in seconds
    (``inf`` last) -> requests that took at most so long. restarts: how often an instance ended by itself. ready, instances: how
    many are ready, of how many. handled, failed: events handled, and attempts to handle one that failed.
    """

    requests: float = 0
    errors: float = 0
    buckets: Mapping[float, float] = field(default_factory=dict)
    restarts: int = 0
    ready: int = 0
    instances: int = 0
    handled: float = 0
    failed: float = 0

    @property
    def error_rate(self) -> float:
        """The share of requests that failed, 0 to 1; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0

    def quantile(self, share: float) -> float | None:
        """Seconds within which that share of the requests was answered, interpolated within its bucket; None without any."""
        bounds = sorted(self.buckets)
        total = self.buckets[bounds[-1]] if bounds else 0
        if not total:
            return None
        low, below = 0.0, 0.0
        for bound in bounds:
            count = self.buckets[bound]
            if count >= share * total:
                if bound == float("inf"):
                    return low  # nothing is known above the last finite bound
                return low + (bound - low) * ((share * total - below) / (count - below)) if count > below else bound
            low, below = bound, count
        return low

    def slower(self, seconds: float) -> float:
        """How many requests took longer, interpolated within the bucket."""
        bounds = sorted(self.buckets)
        total = self.buckets[bounds[-1]] if bounds else 0.0
        low, below = 0.0, 0.0
        for bound in bounds:
            count = self.buckets[bound]
            if seconds < bound:
                part = (seconds - low) / (bound - low) if bound != float("inf") else 0.0
                return total - below - (count - below) * part
            low, below = bound, count
        return 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """What an own check judges: both releases in the same time. share: percent of the traffic that the canary had."""

    service: str
    release: str
    share: int
    seconds: float
    canary: Sample
    stable: Sample


OwnCheck = Callable[[Window], str | Awaitable[str | None] | None]


@dataclass(frozen=True, slots=True)
class Strategy:
    """What all ways of rolling out share.

    interval: seconds for which a step is watched before it is judged. max_errors: percent of the new release's requests that may
    fail. max_p99: how many times the stable one's 99th percentile of durations it may reach. samples: requests and events that a
    judgement needs; with fewer after three intervals, the step has failed. shadow: percent of the gateway's safe requests that
    are copied to the new release before it has any traffic. ready_within: seconds for its instances to become ready.
    consumers: whether the new release takes part in events and sagas by its share; otherwise it waits until it is promoted.
    checks: functions that are given a `Window` and return why the release is not good, or None.
    """

    interval: float = 30.0
    max_errors: float = 1.0
    max_p99: float = 1.5
    samples: int = 20
    shadow: int = 0
    ready_within: float = 60.0
    consumers: bool = True
    checks: tuple[Callable[..., object], ...] = ()
    place: str = field(default_factory=_place, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        require_types(self, self.place)


@dataclass(frozen=True, slots=True)
class Canary(Strategy):
    """A growing share of the traffic, each step judged against the stable release. steps: percents, the last one 100."""

    steps: tuple[int, ...] = (5, 25, 50, 100)


@dataclass(frozen=True, slots=True)
class BlueGreen(Strategy):
    """All instances beside the old ones, then one switch. warm: seconds for which the old ones stay, to switch back to."""

    warm: float = 300.0


@dataclass(frozen=True, slots=True)
class Rolling(Strategy):
    """Instance by instance; judged by readiness, restarts and errors alone, so that it needs no traffic."""

    interval: float = 5.0
    samples: int = 0


MOST_STEPS = 100
LONGEST = 86_400.0  # seconds


def mistakes(strategy: Strategy) -> Iterator[str]:
    """What is wrong with its numbers, one line each."""
    if isinstance(strategy, Canary):
        yield from _steps(strategy.steps)
    for name in ("interval", "ready_within"):
        if not 0 < getattr(strategy, name) <= LONGEST:
            yield f"{name} is {getattr(strategy, name):g} s; it must be more than 0 and at most a day"
    if isinstance(strategy, BlueGreen) and not 0 <= strategy.warm <= LONGEST:
        yield f"warm is {strategy.warm:g} s; it must be 0 to a day"
    if not 0 <= strategy.max_errors < 100:
        yield f"max_errors is {strategy.max_errors:g} %; it must be at least 0 and less than 100"
    if not 1 <= strategy.max_p99 <= 1000:
        yield f"max_p99 is {strategy.max_p99:g}; it must be at least 1, such as 1.5"
    if strategy.samples < 0:
        yield f"samples is {strategy.samples}; it must be 0 or more"
    if not 0 <= strategy.shadow <= 100:
        yield f"shadow is {strategy.shadow} %; it must be 0 to 100"


def _steps(steps: tuple[int, ...]) -> Iterator[str]:
    shown = ",".join(map(str, steps))
    if not steps or len(steps) > MOST_STEPS:
        yield f"steps are {shown or 'missing'}; take 1 to {MOST_STEPS}, such as 5,25,50,100"
    elif any(not 1 <= step <= 100 for step in steps):
        yield f"steps are {shown}; each is a percent of 1 to 100"
    elif any(after <= before for before, after in pairwise(steps)):
        yield f"steps are {shown}; each must be more than the one before"
    elif steps[-1] != 100:
        yield f"steps are {shown}; the last one must be 100"


def check_rollouts(system: System) -> Iterator[tuple[str, str]]:
    """(place, text) of each mistake in the declared strategies."""
    for service in system.services:
        if service.rollout is not None:
            for text in mistakes(service.rollout):
                yield service.rollout.place, f"Service {service.name!r}: {type(service.rollout).__name__}: {text}"
