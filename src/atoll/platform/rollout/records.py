"""What is written down of a rollout: the plan, where it stands, what was measured and what was decided."""

from __future__ import annotations

from typing import Literal

import msgspec

Phase = Literal[
    "launching", "smoking", "shadowing", "comparing", "stepping", "settling", "warm", "retiring", "going back", "promoted",
    "rolled back",
]  # fmt: skip
Outcome = Literal["passed", "failed", "unsure"]
OVER: frozenset[Phase] = frozenset({"promoted", "rolled back"})
DECIDED: frozenset[Phase] = OVER | {"warm", "retiring"}  # the new release is the stable one, or all is over
SETTLED: frozenset[Phase] = frozenset({"promoted", "warm", "retiring"})  # the new release is the stable one
MOST_POINTS = 1_000
MOST_ENTRIES = 1_000
BY_HAND = "by hand"  # the decision of an entry about what a person asked for


class Limits(msgspec.Struct, frozen=True):
    """What is bearable. max_errors: a share, 0 to 1. max_p99: times the stable's; 0: not looked at. samples: requests needed.

    patience: how many intervals a judgement may take in all.
    """

    max_errors: float = 0.01
    max_p99: float = 1.5
    samples: int = 20
    patience: int = 3


class Plan(msgspec.Struct, frozen=True):
    """How to get there. steps: percents, the last one 100. interval, warm, ready_within: seconds. shadow: percent.

    consumers: whether events and sagas are shared as the requests are.
    compare: whether the stable release is watched for an interval before a switch that leaves nothing to compare with.
    """

    strategy: str
    steps: tuple[int, ...] = (5, 25, 50, 100)
    interval: float = 30.0
    limits: Limits = Limits()
    shadow: int = 0
    warm: float = 0.0
    ready_within: float = 60.0
    instances: int = 1
    consumers: bool = True
    compare: bool = True


class Figures(msgspec.Struct, frozen=True):
    """What a release did in a window, as it is shown. p50, p99: seconds, None without requests."""

    requests: float = 0
    errors: float = 0
    error_rate: float = 0
    p50: float | None = None
    p99: float | None = None
    handled: float = 0
    failed: float = 0
    restarts: int = 0
    ready: int = 0
    instances: int = 0


class Finding(msgspec.Struct, frozen=True):
    """What one check says of a window. text: what was measured, against what."""

    check: str
    outcome: Outcome
    text: str


class Entry(msgspec.Struct, frozen=True):
    """One thing that happened. at: seconds since the rollout began. share: percent of the traffic that the new release had."""

    at: float
    phase: Phase
    share: int
    decision: str
    text: str
    findings: tuple[Finding, ...] = ()
    canary: Figures | None = None
    stable: Figures | None = None


class Point(msgspec.Struct, frozen=True):
    """A moment of the chart: the window so far. at: seconds since the rollout began."""

    at: float
    share: int
    canary: Figures
    stable: Figures


class Rollout(msgspec.Struct):
    """One rollout from its order to its end; what the journal keeps.

    began: seconds since 1970. took: seconds, once it is over. step: index into the plan's steps. share: of the new release, now.
    wish: what a person asked for and has not been done yet. reason: why it ended as it did. revision: grows with each change.
    """

    number: int
    service: str
    release: str
    stable: str
    plan: Plan
    began: float
    phase: Phase = "launching"
    step: int = 0
    share: int = 0
    paused: bool = False
    wish: Literal["", "promote", "abort"] = ""
    took: float = 0
    reason: str = ""
    revision: int = 0
    entries: list[Entry] = []
    points: list[Point] = []

    @property
    def over(self) -> bool:
        return self.phase in OVER

    @property
    def decided(self) -> bool:
        """Whether it is known how it ends: whoever waits for the outcome need not wait longer."""
        return self.phase in DECIDED

    @property
    def settled(self) -> str:
        """The release that is the stable one by this rollout: the new one from the moment it was settled until it goes back."""
        return self.release if self.phase in SETTLED else self.stable

    def add(self, entry: Entry) -> None:
        """Bounded: the middle of an endless pause is dropped, its beginning and end are kept."""
        self.entries.append(entry)
        if len(self.entries) > MOST_ENTRIES:
            del self.entries[MOST_ENTRIES // 2]
