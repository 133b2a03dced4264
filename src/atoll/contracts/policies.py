"""Resilience in numbers: inert policies that clients, servers and the gateway read alike. Times are seconds.

A policy that makes no sense is refused where it is made, with one line that says why. Each default names its source in the
file of the layer that it belongs to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from atoll.contracts.errors import Error
from atoll.contracts.events import Event
from atoll.contracts.operations import RateLimit

SHORTEST, LONGEST = 1e-6, 366 * 86_400.0  # seconds; what lies outside is a slip of the pen, and no clock can measure it
IN_FLIGHT = 1000  # Polly's default for a bulkhead
Fallback = Callable[[Any, Error], Awaitable[Any]]
"""From the request message and what went wrong to a reply."""


class PolicyError(ValueError):
    """One line: which policy makes no sense, and why."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """attempts: all together; 1 means no retries. base, most: the first and the longest backoff, before jitter."""

    attempts: int = 3
    base: float = 0.05
    most: float = 1.0

    def __post_init__(self) -> None:
        _whole(self, "attempts", self.attempts, 1)
        _positive(self, "base", self.base)
        _positive(self, "most", self.most)
        _refuse(self, self.most < self.base, f"most is {self.most:g} s, less than base ({self.base:g} s)")


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    """share: retries per call. per_second: retries that are always allowed. ttl: seconds that a deposit lasts."""

    share: float = 0.2
    per_second: float = 10.0
    ttl: float = 10.0
    buckets: int = 10  # a deposit's age is known to a tenth of the ttl

    def __post_init__(self) -> None:
        _share(self, "share", self.share)
        _number(self, "per_second", self.per_second, 0)
        _positive(self, "ttl", self.ttl)
        _whole(self, "buckets", self.buckets, 1)


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Opens after ``in_a_row`` failures, or ``share`` of ``at_least`` calls in ``window`` seconds; for ``shortest`` seconds,
    doubling up to ``longest`` while probes fail."""

    in_a_row: int = 5
    share: float = 0.5
    at_least: int = 20
    window: float = 10.0
    shortest: float = 5.0
    longest: float = 300.0

    def __post_init__(self) -> None:
        _whole(self, "in_a_row", self.in_a_row, 1)
        _share(self, "share", self.share)
        _whole(self, "at_least", self.at_least, 1)
        _positive(self, "window", self.window)
        _positive(self, "shortest", self.shortest)
        _positive(self, "longest", self.longest)
        _refuse(
            self,
            self.longest < self.shortest,
            f"longest is {self.longest:g} s, less than shortest ({self.shortest:g} s)",
        )


@dataclass(frozen=True, slots=True)
class HedgePolicy:
    """quantile: a second attempt starts when this share of calls would have been answered. share: extra calls at the most.
    at_least: calls that must have been timed before."""

    quantile: float = 0.95
    share: float = 0.05
    at_least: int = 20

    def __post_init__(self) -> None:
        _share(self, "quantile", self.quantile)
        _share(self, "share", self.share)
        _whole(self, "at_least", self.at_least, 1)


@dataclass(frozen=True, slots=True)
class ShedPolicy:
    """cpu: from which share of a core the process counts as busy. cool_off: how long it does after that. window: how long
    the best rate and the shortest time are remembered. fewest: in flight that are never too many, because the burst of a
    pool of clients is no overload. patience: seconds in the event loop's queue that are never too long."""

    cpu: float = 0.9
    cool_off: float = 1.0
    window: float = 5.0
    fewest: int = 8
    patience: float = 0.05

    def __post_init__(self) -> None:
        _share(self, "cpu", self.cpu)
        _whole(self, "fewest", self.fewest, 1)
        _positive(self, "patience", self.patience)
        _positive(self, "cool_off", self.cool_off)
        _positive(self, "window", self.window)


@dataclass(frozen=True, slots=True)
class AdaptivePolicy:
    """A limit that follows latency. start, least, most: in flight. tolerance: how much slower than usual is still usual."""

    start: int = 50
    least: int = 10
    most: int = IN_FLIGHT
    tolerance: float = 1.3

    def __post_init__(self) -> None:
        _whole(self, "least", self.least, 1)
        _refuse(self, not self.least <= self.start <= self.most, "start must lie between least and most")
        _number(self, "tolerance", self.tolerance, 1)


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """How one operation is called.

    deadline: for the whole call; None: the operation's own. attempt: for each attempt; None: whatever is left.
    retry: None: the client's. hedge: a second attempt when the first is late (idempotent operations only).
    coalesce: equal calls at the same time share one reply (GET only). fallback: the reply when there is none.
    """

    deadline: float | None = None
    attempt: float | None = None
    retry: RetryPolicy | None = None
    hedge: HedgePolicy | None = None
    coalesce: bool = False
    fallback: Fallback | None = None

    def __post_init__(self) -> None:
        for name, seconds in (("deadline", self.deadline), ("attempt", self.attempt)):
            if seconds is not None:
                _positive(self, name, seconds)
        if self.deadline is not None and self.attempt is not None:
            longer = f"attempt is {self.attempt:g} s, longer than the deadline of {self.deadline:g} s"
            _refuse(self, self.attempt > self.deadline, f"{longer}; no attempt would ever end by it")


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """What all calls to one service share. in_flight: calls at once, no queue."""

    in_flight: int = IN_FLIGHT
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    budget: BudgetPolicy = field(default_factory=BudgetPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)

    def __post_init__(self) -> None:
        _whole(self, "in_flight", self.in_flight, 1)


@dataclass(frozen=True, slots=True)
class OperationPolicy:
    """What protects one operation of a server. in_flight: at once; None: only the server's bound. rate_limit: a caller's."""

    in_flight: int | None = None
    adaptive: AdaptivePolicy | None = None
    rate_limit: RateLimit | None = None

    def __post_init__(self) -> None:
        if self.in_flight is not None:
            _whole(self, "in_flight", self.in_flight, 1)
        _rate(self, self.rate_limit)


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """What protects a whole server. in_flight: requests at once. shed: None: never. rate_limit: of each caller, all told."""

    in_flight: int = IN_FLIGHT
    shed: ShedPolicy | None = field(default_factory=ShedPolicy)
    rate_limit: RateLimit | None = None

    def __post_init__(self) -> None:
        _whole(self, "in_flight", self.in_flight, 1)
        _rate(self, self.rate_limit)


@dataclass(frozen=True, slots=True)
class EventPolicy:
    """How a consumer handles the messages of one event.

    deadline: for an attempt, which is then cancelled and has failed. retry: attempts at once, each a transaction of its own.
    delays: before each later attempt, after the last of which it is a dead letter. in_flight: handlers of it at once in an
    instance; None: only the consumer's bound. ordered: False lets messages of one key overtake each other, and none waits
    behind a parked one. batch: messages at the most that a handler of a list gets at once.
    """

    deadline: float = 60.0
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(base=0.05, most=0.4))
    delays: tuple[float, ...] = (10.0, 60.0, 600.0)
    in_flight: int | None = None
    ordered: bool = True
    batch: int = 64

    def __post_init__(self) -> None:
        _positive(self, "deadline", self.deadline)
        for delay in self.delays:
            _positive(self, "delays", delay)
        if self.in_flight is not None:
            _whole(self, "in_flight", self.in_flight, 1)
        _whole(self, "batch", self.batch, 1)


@dataclass(frozen=True, slots=True)
class ConsumerPolicy:
    """How an instance consumes. in_flight: handlers at once; each holds a connection, and the pool's default is 10.

    window: messages of a partition held in memory at once. event: for all events; events: for one of them.
    """

    in_flight: int = 8
    window: int = 64
    event: EventPolicy = field(default_factory=EventPolicy)
    events: Mapping[type[Event], EventPolicy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _whole(self, "in_flight", self.in_flight, 1)
        _whole(self, "window", self.window, 1)

    def of(self, event: type[Event]) -> EventPolicy:
        """What holds for one event."""
        return self.events.get(event, self.event)


def _rate(policy: object, limit: RateLimit | None) -> None:
    if limit is not None:
        _whole(policy, "rate_limit.requests", limit.requests, 1)
        _positive(policy, "rate_limit.per", limit.per)


def _whole(policy: object, name: str, value: int, least: int) -> None:
    _refuse(policy, value < least, f"{name} is {value}; it must be at least {least}")


def _positive(policy: object, name: str, value: float) -> None:
    _refuse(policy, not 0 < value <= LONGEST, f"{name} is {value:g} s; it must be more than 0, and a year at the most")
    _refuse(policy, value < SHORTEST, f"{name} is {value:g} s; nothing is that short")


def _number(policy: object, name: str, value: float, least: float) -> None:
    _refuse(policy, not least <= value < float("inf"), f"{name} is {value:g}; it must be {least:g} or more")


def _share(policy: object, name: str, value: float) -> None:
    _refuse(policy, not 0 <= value <= 1, f"{name} is {value:g}; it is a share, between 0 and 1")


def _refuse(policy: object, wrong: bool, why: str) -> None:
    if wrong:
        raise PolicyError(f"{type(policy).__name__}: {why}")
