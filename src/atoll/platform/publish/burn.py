"""How fast an error budget may burn: multi-window, multi-burn-rate alerts (Google's SRE Workbook, chapter 5).

A rate of 1 uses the budget up in just the promised period. Each alert looks at a long window, so that little noise wakes nobody,
and at one a twelfth of it, so that it ends soon after the trouble has ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from atoll.platform.publish.durations import duration

HOUR = 3600.0
USUAL_DAYS = 30.0  # the period that the windows below are made for; they stretch and shrink with a promise's own


@dataclass(frozen=True, slots=True)
class Burn:
    """rate: the burn rate from which on it alerts. long, short: seconds. severity: page a person now, or open a ticket."""

    rate: float
    long: float
    short: float
    severity: str


BURNS = (
    Burn(14.4, HOUR, HOUR / 12, "page"),  # 2 % of the budget in one hour
    Burn(6.0, 6 * HOUR, HOUR / 2, "page"),  # 5 % in six hours
    Burn(3.0, 24 * HOUR, 2 * HOUR, "ticket"),  # 10 % in a day
    Burn(1.0, 72 * HOUR, 6 * HOUR, "ticket"),  # 10 % in three days
)


def burns(days: float) -> tuple[Burn, ...]:
    """The alerts of a promise for so many days."""
    scale = days / USUAL_DAYS
    return tuple(Burn(one.rate, one.long * scale, one.short * scale, one.severity) for one in BURNS)


def windows(days: float) -> tuple[str, ...]:
    """The windows that they look at, shortest first."""
    found = {length for one in burns(days) for length in (one.long, one.short)}
    return tuple(duration(length) for length in sorted(found))
