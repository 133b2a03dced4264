"""Rules of promises: the share of requests that broke one, in each window, and an alert where that burns the budget too fast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from atoll.platform.publish.burn import Burn, burns, windows
from atoll.platform.publish.durations import duration
from atoll.platform.publish.names import FAILED, REQUESTS, chosen, equals
from atoll.system import Slo, System
from atoll.system.promises import service_of

Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Objective:
    """One thing that is promised. kind: availability or latency. percent: of the requests; days: in them."""

    labels: dict[str, str]
    kind: str
    percent: float
    days: float
    bad: str
    """The rate of requests that broke it; ``{window}`` stands for the window."""
    all: str

    @property
    def budget(self) -> float:
        """The share of requests that may break it."""
        return (100 - self.percent) / 100

    def record(self, window: str) -> str:
        """The name of the share in a window."""
        return f"slo:{self.kind}_errors:ratio_rate{window}"


def slo_groups(system: System) -> list[dict[str, Any]]:
    """A group of rules for each objective: its shares first, for its alerts need them."""
    return [
        {"name": f"{system.name}-slo-{one.labels['slo']}-{one.kind}", "rules": [*_shares(one), *_alerts(one)]}
        for slo in system.slos
        for one in objectives(slo, system)
    ]


def objectives(slo: Slo, system: System) -> Iterator[Objective]:
    """Availability, and latency where it is promised."""
    service = service_of(slo, system)
    labels = {"system": system.name, "service": service, "slo": slo.name}
    mine = [equals("system", system.name), equals("service", service)]
    if not isinstance(slo.target, str):
        mine.append(equals("atoll_operation", slo.name))
    total = _rate(f"{REQUESTS}_count", *mine)
    failed = _rate(f"{REQUESTS}_count", *mine, FAILED)
    # As long as nothing has failed there is no series of failures, and the share is 0, not unknown.
    yield Objective(labels, "availability", slo.availability, slo.days, f"({failed} or vector(0))", total)
    if slo.latency:
        quick = _rate(f"{REQUESTS}_bucket", *mine, equals("le", repr(float(slo.latency))))
        yield Objective(labels, "latency", slo.quick, slo.days, f"({total} - {quick})", total)


def _rate(metric: str, *matchers: str) -> str:
    return f"sum(rate({chosen(metric, *matchers)}[{{window}}]))"


def _shares(one: Objective) -> Iterator[Rule]:
    for window in windows(one.days):
        expression = f"{one.bad}\n/\n{one.all}".replace("{window}", window)
        yield {"record": one.record(window), "expr": expression, "labels": one.labels}


def _alerts(one: Objective) -> Iterator[Rule]:
    for burn in burns(one.days):
        yield {
            "alert": f"SloBurn{one.kind.capitalize()}",
            "expr": "\nand\n".join(_burns(one, burn, length) for length in (burn.long, burn.short)),
            "labels": {**one.labels, "severity": burn.severity, "window": duration(burn.long)},
            "annotations": {
                "summary": f"{one.labels['slo']}: {{{{ $value | humanizePercentage }}}} of the requests {_BROKEN[one.kind]}",
                "look": f"the promise is {one.percent:g} % in {one.days:g} days; "
                f"at {burn.rate:g} times the rate that it allows, its budget lasts {one.days / burn.rate:.3g} days",
            },
        }


_BROKEN = {"availability": "fail", "latency": "are too slow"}


def _burns(one: Objective, burn: Burn, length: float) -> str:
    share = chosen(one.record(duration(length)), *(equals(name, value) for name, value in one.labels.items()))
    return f"{share} > {burn.rate * one.budget:.6g}"
