"""Circuit breaker: an endpoint that keeps failing is left alone for a while, then asked with a single probe.

Closed -> open after 5 failures in a row, or half of at least 20 calls in 10 s. Open for 5 s, doubling up to 5 min while
probes fail, with equal jitter so that clients don't probe in step (Finagle's failure accrual). One probe at a time; a probe
that is cancelled frees its slot (resilience4j#903, #935).

A call that runs out of time is cancelled by a layer outside of this one, and is a failure all the same: an endpoint that hangs
never fails in another way. It says nothing if the caller had hardly any time left (the impatient must not open it for others),
or if somebody else got a reply meanwhile (then it does not hang: what one operation waits for is not the others' trouble).
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from atoll.contracts.policies import BreakerPolicy
from atoll.resilience.classify import NotSent, Outcome, classify
from atoll.resilience.records import BreakerClosed, BreakerOpened, Hook, ignore
from atoll.service import Handler, Layer, Request

LONG = 2.0  # usual latencies: whoever waited less than that did not wait long enough to tell
SMOOTHED = 0.1  # of the usual latency, at each reply
EARLY = 0.005  # seconds before its time that a timer of the event loop may fire
_REPLIES = frozenset({Outcome.REJECTED, Outcome.THROTTLED, Outcome.PASSED_ON, Outcome.FAILED})

Clock = Callable[[], float]
Uniform = Callable[[float, float], float]


class Breaker:
    """The state for one endpoint. Not a layer: `breaker` is."""

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy | None = None,
        *,
        clock: Clock = time.monotonic,
        uniform: Uniform = random.uniform,
        hook: Hook = ignore,
        key: Hashable = None,
        troubled: Callable[[Breaker, int], None] = lambda *_: None,
    ) -> None:
        self.name = name
        self.key = key
        self._troubled = troubled
        self._policy = policy or BreakerPolicy()
        self._clock = clock
        self._uniform = uniform
        self._hook = hook
        self._in_a_row = 0
        self._recent: deque[tuple[float, bool]] = deque()
        self._failed = 0
        self._open_until = 0.0
        self._openings = 0
        self._probing = False
        self._usual = 0.0
        self._answered_at = 0.0

    @property
    def closed(self) -> bool:
        """Whether calls flow freely."""
        return self._openings == 0

    def available(self) -> bool:
        """Whether `enter` would let a call through now."""
        return self._openings == 0 or (not self._probing and self._clock() >= self._open_until)

    def enter(self) -> bool:
        """Lets a call through, and tells whether it is the probe; NotSent if the breaker is open."""
        if self._openings == 0:
            return False
        if self._probing or self._clock() < self._open_until:
            raise NotSent(f"{self.name} kept failing and is left alone for a while")
        self._probing = True
        return True

    def leave(self, outcome: Outcome, *, probe: bool) -> None:
        """Notes how a call that entered went; each that entered must leave."""
        if probe:
            self._probing = False
            if outcome is Outcome.CANCELLED:
                return  # it says nothing; the next call probes
            if outcome.against_endpoint:
                self._open()
            else:
                self._close()
        elif self._openings == 0 and outcome is not Outcome.CANCELLED:
            self._note(outcome.against_endpoint)

    def answered(self, began: float, now: float) -> None:
        """A call that ``began`` then has got its reply: that is how long replies take here."""
        self._usual += (now - began - self._usual) * (SMOOTHED if self._usual else 1.0)
        self._answered_at = now

    def judged(self, failure: BaseException, began: float, now: float, *, expired: bool) -> Outcome:
        """What a call that ended with ``failure`` says of the endpoint. expired: its time was over."""
        outcome = classify(failure)
        if outcome in _REPLIES:
            self._answered_at = now
        if not expired or outcome not in (Outcome.CANCELLED, Outcome.TIMED_OUT):
            return outcome
        hardly_waited = now - began < LONG * self._usual
        return Outcome.CANCELLED if hardly_waited or self._answered_at > began else Outcome.TIMED_OUT

    def _note(self, failed: bool) -> None:
        policy, now = self._policy, self._clock()
        recent = self._recent
        recent.append((now, failed))
        self._failed += failed
        while recent[0][0] < now - policy.window:
            self._failed -= recent.popleft()[1]
        self._in_a_row = self._in_a_row + 1 if failed else 0
        too_many = len(recent) >= policy.at_least and self._failed >= policy.share * len(recent)
        if failed and (self._in_a_row >= policy.in_a_row or too_many):
            self._open()

    def _open(self) -> None:
        policy = self._policy
        most = min(policy.longest, policy.shortest * 2**self._openings)
        seconds = most / 2 + self._uniform(0, most / 2)  # equal jitter
        if self._openings == 0:
            self._troubled(self, 1)
        self._openings = min(self._openings + 1, 32)
        self._open_until = self._clock() + seconds
        self._forget()
        self._hook(BreakerOpened(self.name, seconds))

    def _close(self) -> None:
        self._openings = 0
        self._troubled(self, -1)
        self._forget()
        self._hook(BreakerClosed(self.name))

    def _forget(self) -> None:
        self._recent.clear()
        self._failed = self._in_a_row = 0


class Breakers:
    """One breaker an endpoint, made when first needed. troubled: how many of them are not closed; mostly none."""

    def __init__(
        self,
        policy: BreakerPolicy | None = None,
        *,
        clock: Clock = time.monotonic,
        uniform: Uniform = random.uniform,
        hook: Hook = ignore,
    ) -> None:
        self._make = partial(
            Breaker, policy=policy, clock=clock, uniform=uniform, hook=hook, troubled=self._count_troubled
        )
        self._breakers: dict[Hashable, Breaker] = {}
        self.troubled = 0

    def of(self, key: Hashable) -> Breaker:
        """The breaker of one endpoint; the key's text is its name."""
        found = self._breakers.get(key)
        if found is None:
            found = self._breakers[key] = self._make(str(key), key=key)
        return found

    def available(self, key: Hashable) -> bool:
        """Whether a call to the endpoint would be let through."""
        found = self._breakers.get(key)
        return found is None or found.available()

    def keep(self, keys: set[Hashable]) -> None:
        """Forgets the breakers of endpoints that are gone."""
        for gone in self._breakers.keys() - keys:
            self.troubled -= not self._breakers.pop(gone).closed

    def _count_troubled(self, breaker: Breaker, change: int) -> None:
        if self._breakers.get(breaker.key) is breaker:  # it may be forgotten, with calls still under way
            self.troubled += change


def breaker(breakers: Breakers, endpoint: Callable[[Request], Hashable], *, clock: Clock = time.monotonic) -> Layer:
    """The layer; ``endpoint`` tells which endpoint a request goes to. clock: that of the requests' deadlines."""

    find, succeeded = breakers.of, Outcome.SUCCEEDED

    def layer(inner: Handler) -> Handler:
        async def guarded(request: Request) -> Any:
            guard = find(endpoint(request))
            probe = guard.enter()
            began = clock()
            try:
                reply = await inner(request)
            except BaseException as failure:
                now = clock()
                outcome = guard.judged(failure, began, now, expired=now > request.deadline - EARLY)
                guard.leave(outcome, probe=probe)
                raise
            guard.answered(began, clock())
            guard.leave(succeeded, probe=probe)
            return reply

        return guarded

    return layer
