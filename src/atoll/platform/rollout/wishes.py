"""What people ask of a rollout while it runs."""

from __future__ import annotations

import asyncio

from atoll.platform.rollout.records import Rollout


class Wishes:
    """Wakes whoever waits when something is asked for. The wish itself stands in the rollout, so that it outlives us."""

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self.changed = asyncio.Event()
        self.aborted = asyncio.Event()

    @property
    def urgent(self) -> bool:
        """Whether the step at hand need not be judged any more."""
        return bool(self._rollout.wish)

    @property
    def promoted(self) -> bool:
        """Whether somebody wants it promoted at once."""
        return self._rollout.wish == "promote"

    def wake(self) -> None:
        """Something has changed."""
        self.changed.set()
        if self._rollout.wish == "abort":
            self.aborted.set()

    def heard(self) -> None:
        """From here on, wait for the next one."""
        if not self._rollout.wish:
            self.changed.clear()
