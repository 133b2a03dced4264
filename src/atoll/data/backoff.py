"""How long to wait before the next try: exponential, with equal jitter (AWS, "Exponential Backoff And Jitter")."""

from __future__ import annotations

import asyncio
import random


class Backoff:
    """Waits between tries. first, most: seconds; each wait is random between half of a step and the step."""

    def __init__(self, *, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._step = first

    def reset(self) -> None:
        """The next wait is a first one again."""
        self._step = self._first

    def next(self) -> float:
        """Seconds to wait now."""
        step, self._step = self._step, min(self._most, self._step * 2)
        return step * random.uniform(0.5, 1.0)

    async def wait(self) -> None:
        """Waits."""
        await asyncio.sleep(self.next())
