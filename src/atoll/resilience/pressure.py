"""`Pressure`: how much of a core this process wants, from 0 to 1, over half a second; and how late its event loop is.

An event loop has one core at the most. Over so long, because a handler that takes it for a moment, or a burst, is no overload:
only a queue that stands is (CoDel, RFC 8289). Where other processes take the core, the share of it that we get never comes near
1 although everything waits; the time for which the loop was late counts as wanted, too.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

EVERY = 0.05  # seconds between two measurements
OVER = 0.5  # seconds
SMOOTHED = 0.3  # of the new lateness, at each measurement
SLOWLY = 0.1  # the same for what stands: one pause of 50 ms is 5 ms of it
PUNCTUAL = 0.005  # seconds: a timer that is later than that waited for something

Clock = Callable[[], float]


class Pressure:
    """Measured while requests come, and never otherwise: an idle service has no timer of it. value: the pressure.

    late: seconds by which a timer was late of late: what comes in waits as long before it is even read. It rises at once.
    standing: the same, smoothed so slowly that a single pause (of the scheduler, a collection of garbage) does not show.
    """

    def __init__(self, *, clock: Clock = time.monotonic, cpu: Clock = time.process_time) -> None:
        self._clock = clock
        self._cpu = cpu
        self._ticking = False
        self._asked_at = 0.0
        self._waited = 0.0
        self._marks: deque[_Mark] = deque()
        self.value = 0.0
        self.late = 0.0
        self.standing = 0.0

    def __call__(self) -> float:
        """The pressure now; asking keeps the measurement going."""
        if not self._ticking:
            self._ticking = True
            self._asked_at = self._clock()
            self._mark(self._asked_at)
            asyncio.get_running_loop().call_later(EVERY, self._tick)
        return self.value

    def _tick(self) -> None:
        self._ticking = False
        now = self._clock()
        late = max(0.0, now - self._asked_at - EVERY)
        self.late = max(late, self.late + (late - self.late) * SMOOTHED)
        self.standing += (late - self.standing) * SLOWLY
        if late > PUNCTUAL:
            self._waited += late
        self._mark(now)

    def _mark(self, now: float) -> None:
        used = self._cpu()
        marks = self._marks
        marks.append(_Mark(now, used, self._waited))
        while len(marks) > 1 and marks[1].at <= now - OVER:
            marks.popleft()
        passed = now - marks[0].at
        wanted = max(used - marks[0].used, self._waited - marks[0].waited)
        self.value = min(1.0, wanted / passed) if passed >= OVER else 0.0


class _Mark(NamedTuple):
    at: float
    used: float
    waited: float
