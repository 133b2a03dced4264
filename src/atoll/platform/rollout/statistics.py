"""Whether a difference between two counts is real, or what chance does with so few requests."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

SURE = 1.645  # standard deviations: one time in twenty, chance alone does as much
VERY_SURE = 3.0  # one time in seven hundred; for what is compared again and again


def least_share(events: float, total: float, z: float = SURE) -> float:
    """The lower end of Wilson's score interval: the true share is hardly below it. (E. B. Wilson, JASA 22, 1927.)"""
    if total <= 0:
        return 0.0
    share = min(events / total, 1.0)
    centre = share + z * z / (2 * total)
    spread = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, (centre - spread) / (1 + z * z / total))


def more_often(events: float, total: float, other_events: float, other_total: float) -> float:
    """By how many standard deviations the first share is above the other one (two proportions, pooled); 0 without any."""
    if not total or not other_total:
        return 0.0
    pooled = (events + other_events) / (total + other_total)
    variance = pooled * (1 - pooled) * (1 / total + 1 / other_total)
    return (events / total - other_events / other_total) / sqrt(variance) if variance > 0 else 0.0


def slower(buckets: Mapping[float, float], other: Mapping[float, float]) -> float:
    """By how many standard deviations the first durations rank above the others (Mann and Whitney's U, ties corrected)."""
    first, second = _counts(buckets, other), _counts(other, buckets)
    n, m = sum(first), sum(second)
    if n < 1 or m < 1:
        return 0.0
    above = ties = 0.0
    below = 0.0  # of the others, in lower buckets
    for mine, theirs in zip(first, second, strict=True):
        above += mine * (below + theirs / 2)
        below += theirs
        ties += (mine + theirs) ** 3 - (mine + theirs)
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))) if n + m > 1 else 0.0
    return (above - n * m / 2) / sqrt(variance) if variance > 0 else 0.0


def _counts(buckets: Mapping[float, float], other: Mapping[float, float]) -> list[float]:
    """How many are in each bucket, over the bounds of both."""
    counts, last = [], 0.0
    for bound in sorted(set(buckets) | set(other)):
        reached = max(buckets.get(bound, last), last)
        counts.append(reached - last)
        last = reached
    return counts
