"""`Pressure`: how busy this process is, from 0 to 1: its share of a core, or how late its event loop runs.

An event loop has one core at the most. Where other processes take that core, the share never gets near 1 although everything
waits; the loop's lateness tells then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

EVERY = 0.05  # seconds between two measurements
KEPT = 0.8  # of a higher old value, at each: pressure is believed at once, and relief after a few times
LATE = 0.05  # seconds: a loop that is so late is as busy as it can be

Clock = Callable[[], float]


class Pressure:
    """Measured while requests come, and never otherwise: an idle service has no timer of it."""

    def __init__(self, *, clock: Clock = time.monotonic, cpu: Clock = time.process_time) -> None:
        self._clock = clock
        self._cpu = cpu
        self._ticking = False
        self._at = 0.0
        self._used = 0.0
        self.value = 0.0

    def __call__(self) -> float:
        """The pressure now; asking keeps the measurement going."""
        if not self._ticking:
            self._ticking = True
            self._at, self._used = self._clock(), self._cpu()
            asyncio.get_running_loop().call_later(EVERY, self._tick)
        return self.value

    def _tick(self) -> None:
        self._ticking = False
        now, used = self._clock(), self._cpu()
        passed = now - self._at
        share = (used - self._used) / passed if passed > 0 else 0.0
        late = max(0.0, passed - EVERY) / LATE
        found = min(1.0, max(share, late))
        self.value = max(found, KEPT * self.value + (1 - KEPT) * found)
