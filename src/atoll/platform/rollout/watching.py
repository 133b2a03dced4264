"""Watching one step: readings at its begin and end, judged; again while there is too little to judge by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from atoll.platform.rollout.analysis import (
    P99,
    Pair,
    difference,
    figures,
    judge,
    outcome_of,
    together,
    with_durations_of,
    without_durations,
)
from atoll.platform.rollout.clock import Clock
from atoll.platform.rollout.elsewhere import Elsewhere
from atoll.platform.rollout.fleet import LOOK_WITHIN, Fleet, Reading
from atoll.platform.rollout.own_checks import ask
from atoll.platform.rollout.records import MOST_POINTS, Entry, Finding, Limits, Outcome, Point, Rollout
from atoll.platform.rollout.wishes import Wishes
from atoll.system import Trouble, Window
from atoll.system.rollout import Sample

LOOKS = 5  # an interval
LEAST_LOOK = 0.5  # seconds: what a busy machine may need, however short the interval is
COLD = 20  # requests of a fresh process, whose durations are those of its first connections and caches
ALONE_SLACK = 1.25  # times max_p99, if all that is known of the stable release is from before the switch
COMPARED_SLACK = 2.0  # the same, of a release that has passed windows beside the stable one
_ALARMS = frozenset({"restarts", "ready", "errors"})  # what need not wait for the end of the interval


def look_within(interval: float) -> float:
    """Seconds that one look may take, so that looking does not stretch the interval."""
    return min(LOOK_WITHIN, max(LEAST_LOOK, interval / LOOKS))


def cold_requests(limits: Limits) -> int:
    """How many requests a release answers before its durations count."""
    return min(COLD, limits.samples)


@dataclass(slots=True)
class Watcher:
    """Watches the two releases of one rollout. baseline: what the stable one did in all windows in which it had traffic.

    usual_p99: the slowest of those windows, or of all that the stable one answered before a switch. compared: whether the new one
    had traffic in one of them.
    told: called after each look.
    """

    rollout: Rollout
    fleet: Fleet
    clock: Clock
    began: float
    wishes: Wishes
    elsewhere: Elsewhere
    told: Callable[[], None]
    checks: tuple[Callable[..., object], ...] = ()
    baseline: Sample | None = None
    usual_p99: float = 0.0
    compared: bool = False
    _trouble: str = field(default="", init=False)

    async def compare(self) -> None:
        """Watch the stable release alone for an interval, so that there is something to compare with after the switch."""
        before = await self._measured()
        await self.clock.wait(self.wishes.changed, self.rollout.plan.interval)
        after = await self._measured()
        stable = self.rollout.stable
        self._remember(difference(before.get(stable), after.get(stable)))
        # One interval has but few slow requests, and may have been a quiet one: all that it answered so far tells what is usual.
        self.usual_p99 = max(self.usual_p99, difference(None, after.get(stable)).quantile(P99) or 0.0)

    async def step(self) -> Outcome:
        """``passed``: on to the next step. ``failed``: back. ``unsure``: a person has decided meanwhile."""
        rounds = 0
        while True:
            rounds += 1
            window = _Window(await self._measured(), self.clock.now())
            await self.elsewhere.begin()
            outcome = await self._judged_window(window)
            if outcome != "passed" or not self.rollout.paused or self.wishes.urgent:
                return outcome

    async def _judged_window(self, window: _Window) -> Outcome:
        """One window: an interval, or up to ``patience`` of them while there is too little to judge by."""
        plan, turn = self.rollout.plan, 0
        while True:
            turn += 1
            if alarm := await self._interval(window):
                return self._decide(window, alarm, "go back")
            if self.wishes.urgent:
                return "unsure"
            last = turn >= plan.limits.patience and not self.rollout.paused
            findings = await self._findings(window, last=last)
            outcome = outcome_of(findings)
            if outcome == "unsure":
                self._decide(window, findings, "watch on")
                continue
            if outcome == "passed" and self.rollout.share < 100:
                self._remember(window.known.stable)
                self.compared = True
            on = "hold" if self.rollout.paused else "go on"
            return self._decide(window, findings, "go back" if outcome == "failed" else on)

    def _remember(self, stable: Sample) -> None:
        self.baseline = stable if self.baseline is None else together(self.baseline, stable)
        self.usual_p99 = max(self.usual_p99, stable.quantile(P99) or 0.0)

    async def _interval(self, window: _Window) -> tuple[Finding, ...]:
        """Look a few times; what is wrong beyond doubt is told at once."""
        plan = self.rollout.plan
        began = self.clock.now()
        for look in range(1, LOOKS + 1):
            await self.clock.wait(self.wishes.changed, began + plan.interval * look / LOOKS - self.clock.now())
            if self.wishes.urgent:
                return ()
            self.wishes.heard()
            await self._look(window)
            alarms = tuple(
                one
                for one in judge(window.known, plan.limits, last=False)
                if one.outcome == "failed" and one.check in _ALARMS
            )
            if alarms:
                return alarms
        self._close_interval(window)
        return ()

    def _close_interval(self, window: _Window) -> None:
        """Keep the durations of the interval that has passed apart from those of the others."""
        new, old = self.rollout.release, self.rollout.stable
        if window.since is not None and window.pair is not None:
            canary = difference(window.since.get(new), window.now.get(new))
            stable = difference(window.since.get(old), window.now.get(old))
            if canary.quantile(P99) is not None:
                window.intervals += ((canary, window.pair.stable if window.pair.alone else stable),)
            window.pair = replace(window.pair, intervals=window.intervals)
            window.since = window.now

    async def _look(self, window: _Window) -> None:
        now = await self._measured()
        window.pair = self._pair(window, now)
        window.now = now
        if window.warmed is None and self._is_warm(now):
            window.warmed = window.since = now
        points = self.rollout.points
        points.append(
            Point(
                round(self.clock.now() - self.began, 3), self.rollout.share,
                figures(window.pair.canary), figures(window.pair.stable),
            )
        )  # fmt: skip
        if len(points) > MOST_POINTS:
            del points[1::2]
        self.told()

    def _pair(self, window: _Window, now: Mapping[str, Reading]) -> Pair:
        new, old = self.rollout.release, self.rollout.stable
        canary = difference(window.before.get(new), now.get(new))
        stable = difference(window.before.get(old), now.get(old))
        counted = Sample()
        if window.warmed is not None:
            counted = difference(window.warmed.get(new), now.get(new))
            stable = with_durations_of(stable, difference(window.warmed.get(old), now.get(old)))
        cold = not self._is_warm(window.before) and canary.quantile(P99) is not None and counted.quantile(P99) is None
        canary = without_durations(canary) if cold else with_durations_of(canary, counted)
        alone = self.rollout.share == 100 and self.baseline is not None
        if alone and self.baseline is not None:
            stable = self.baseline
        reached, seconds = new in now and now[new].reached, self.clock.now() - window.began
        return Pair(
            canary, stable, seconds, reached, self._trouble, alone, self.usual_p99 * alone, self._slack(alone),
            cold_requests(self.rollout.plan.limits) * cold,
        )  # fmt: skip

    def _is_warm(self, readings: Mapping[str, Reading]) -> bool:
        """Whether the new release has answered enough requests in its life for its durations to count."""
        reading = readings.get(self.rollout.release)
        return reading is not None and reading.requests >= cold_requests(self.rollout.plan.limits)

    def _slack(self, alone: bool) -> float:
        """Of a release that was compared within the same windows before, only a grave difference counts later."""
        return 1.0 if not alone else COMPARED_SLACK if self.compared else ALONE_SLACK

    async def _findings(self, window: _Window, *, last: bool) -> tuple[Finding, ...]:
        found = (
            *judge(window.known, self.rollout.plan.limits, last=last),
            *await self.elsewhere.findings(self.rollout.plan),
        )
        if outcome_of(found) != "passed":
            return found
        pair = window.known
        given = Window(
            self.rollout.service, self.rollout.release, self.rollout.share, pair.seconds, pair.canary, pair.stable
        )
        return (*found, *await ask(self.checks, given))

    def _decide(self, window: _Window, findings: tuple[Finding, ...], decision: str) -> Outcome:
        outcome = outcome_of(findings)
        pair, rollout = window.known, self.rollout
        events = pair.canary.handled + pair.canary.failed
        seen = f"{pair.canary.requests:.0f} requests{f', {events:.0f} events' if events else ''}"
        text = reason_of(findings) or f"{seen}, all checks passed"
        at = round(self.clock.now() - self.began, 3)
        canary, stable = figures(pair.canary), figures(pair.stable)
        rollout.add(Entry(at, rollout.phase, rollout.share, decision, text, findings, canary, stable))
        self.told()
        return outcome

    async def _measured(self) -> Mapping[str, Reading]:
        """The readings; none, with the reason, if the engine cannot tell."""
        try:
            found = await self.fleet.measure(self.rollout.service, look_within(self.rollout.plan.interval))
        except Trouble as trouble:
            self._trouble = str(trouble)
            return {}
        except Exception as error:
            self._trouble = f"{type(error).__name__}: {error}"
            return {}
        self._trouble = ""
        return {release: _countable(reading) for release, reading in found.items()}


def _countable(reading: Reading) -> Reading:
    """The same; one with figures that are no counts told none."""
    if reading.countable:
        return reading
    return Reading(
        reading.at, restarts=reading.restarts, ready=reading.ready, instances=reading.instances, reached=False
    )


@dataclass(slots=True)
class _Window:
    """What is being watched. warmed: the readings at the first look at which durations began to count.

    since, now: where the durations of the interval at hand begin, and the last look. intervals: as `Pair` has them.
    """

    before: Mapping[str, Reading]
    began: float
    warmed: Mapping[str, Reading] | None = None
    since: Mapping[str, Reading] | None = None
    now: Mapping[str, Reading] = field(default_factory=dict)
    pair: Pair | None = None
    intervals: tuple[tuple[Sample, Sample], ...] = ()

    @property
    def known(self) -> Pair:
        return self.pair or Pair(Sample(), Sample(), 0.0)


def reason_of(findings: tuple[Finding, ...]) -> str:
    """What did not pass, in one line."""
    return "; ".join(f"{one.check}: {one.text}" for one in findings if one.outcome != "passed")
