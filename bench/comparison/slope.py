"""Whether a series grows: its slope, and how sure that is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

BLOCKS = 12  # neighbouring samples are alike, so means of so many blocks are what counts as independent
T_95 = 2.228  # Student's t for 95 %, both sides, with BLOCKS - 2 degrees of freedom


@dataclass(frozen=True)
class Slope:
    """start: the line's value at the first sample. an_hour: its growth; sure: half the width of its 95 % interval."""

    start: float
    an_hour: float
    sure: float

    def grows(self, tolerated: float) -> bool:
        """Whether it surely grows, and by more than that share of its start in an hour."""
        return self.an_hour - self.sure > 0 and self.an_hour > self.start * tolerated


def slope(seconds: Sequence[float], values: Sequence[float]) -> Slope:
    """Least squares over the means of blocks. ValueError with fewer samples than blocks."""
    if len(values) < BLOCKS:
        raise ValueError(f"a slope needs {BLOCKS} samples at least, these are {len(values)}")
    cuts = [round(at * len(values) / BLOCKS) for at in range(BLOCKS + 1)]
    blocks = [slice(begin, end) for begin, end in pairwise(cuts)]
    x = [statistics.fmean(seconds[block]) for block in blocks]
    y = [statistics.fmean(values[block]) for block in blocks]
    line = statistics.linear_regression(x, y)
    spread = sum((one - statistics.fmean(x)) ** 2 for one in x)
    left = sum((value - line.intercept - line.slope * at) ** 2 for at, value in zip(x, y, strict=True))
    error = math.sqrt(left / (BLOCKS - 2) / spread)
    return Slope(line.intercept + line.slope * seconds[0], line.slope * 3600, T_95 * error * 3600)
