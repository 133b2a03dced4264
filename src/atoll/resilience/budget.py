"""The retry budget: retries are a small share of calls, so that they can't make an overload worse (Finagle's RetryBudget).

Each call deposits 0.2 of a retry, which lasts 10 s; besides there are 10 a second for clients with few calls. Those of a second
are there for that second only: Finagle saves them up for 10 s, and 100 retries at once are a storm of their own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from atoll.contracts.policies import BudgetPolicy

Clock = Callable[[], float]


class RetryBudget:
    """One a client, shared by all of its operations."""

    def __init__(self, policy: BudgetPolicy | None = None, *, clock: Clock = time.monotonic) -> None:
        self._policy = policy or BudgetPolicy()
        self._clock = clock
        self._width = self._policy.ttl / self._policy.buckets
        self._calls: deque[list[float]] = deque()  # [bucket number, calls, retries]
        self._deposited = 0.0
        self._spent = 0.0
        self._least = self._most = max(1.0, self._policy.per_second) if self._policy.per_second else 0.0
        self._at = clock()

    def deposit(self) -> None:
        """A call was made."""
        bucket = self._bucket()
        bucket[1] += 1
        self._deposited += 1

    def withdraw(self) -> bool:
        """Whether a retry may be made; it is counted then."""
        bucket = self._bucket()
        if self._spent + 1 > self._deposited * self._policy.share:
            return self._always()
        bucket[2] += 1
        self._spent += 1
        return True

    def left(self) -> float:
        """How many retries could be made now."""
        self._bucket()
        always = min(self._most, self._least + (self._clock() - self._at) * self._policy.per_second)
        return max(0.0, self._deposited * self._policy.share - self._spent) + always

    def _always(self) -> bool:
        """One of those that are allowed however few calls there are."""
        now = self._clock()
        self._least = min(self._most, self._least + (now - self._at) * self._policy.per_second)
        self._at = now
        if self._least < 1:
            return False
        self._least -= 1
        return True

    def _bucket(self) -> list[float]:
        number = self._clock() // self._width
        oldest = number - self._policy.buckets
        while self._calls and self._calls[0][0] <= oldest:
            _, calls, retries = self._calls.popleft()
            self._deposited -= calls
            self._spent -= retries
        if not self._calls or self._calls[-1][0] != number:
            self._calls.append([number, 0.0, 0.0])
        return self._calls[-1]
