"""The judgement of one window: the new release against the stable one in the same time. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from atoll.platform.rollout.fleet import Reading
from atoll.platform.rollout.records import Figures, Finding, Limits, Outcome
from atoll.platform.rollout.statistics import SURE, VERY_SURE, least_share, more_often, slower
from atoll.system.rollout import Sample

P99 = 0.99
FLOOR = 0.005  # seconds: the lowest bound of the histograms; below it, nothing can be told apart
TIMES_STABLE = 2.0  # errors: that many times the stable's share is worse, if it is no chance
_LEAST_ERRORS = 2  # one may happen to anybody
LASTING = (
    2  # intervals that must show slowness, each by itself: a machine that is busy for a moment slows all requests of it
)
_EVENTS = 5  # attempts to handle an event that a judgement of them needs


@dataclass(frozen=True, slots=True)
class Pair:
    """Both releases within one window. reached: whether the new one told its figures at its end.

    unknown: why nothing at all is known of them; empty: something is. alone: the stable one had no traffic in this window, so
    that ``stable`` is what it did in earlier ones; usual_p99: the slowest of those, in seconds. slack: times more than usual that
    durations may differ then, since another time is another load. cold: as many requests of the new one's life are not looked at
    for their durations, and there were no others; 0: there were, or it tells no durations. intervals: the durations of both in
    each interval of the window by itself, where the new one's counted.
    """

    canary: Sample
    stable: Sample
    seconds: float
    reached: bool = True
    unknown: str = ""
    alone: bool = False
    usual_p99: float = 0.0
    slack: float = 1.0
    cold: int = 0
    intervals: tuple[tuple[Sample, Sample], ...] = ()


def difference(before: Reading | None, after: Reading | None) -> Sample:
    """What happened between two readings. A count that fell begins anew: an instance that ended took its count with it."""
    if after is None:
        return Sample()
    old = before or Reading(after.at)
    requests, errors = _worse_share(
        (_grown(old.requests, after.requests), _grown(old.errors, after.errors)),
        (_grown(old.at_gateway, after.at_gateway), _grown(old.failed_at_gateway, after.failed_at_gateway)),
    )
    return Sample(
        requests=requests,
        errors=errors,
        buckets={bound: _grown(old.buckets.get(bound, 0), count) for bound, count in after.buckets.items()},
        restarts=max(0, after.restarts - old.restarts),
        ready=after.ready,
        instances=after.instances,
        handled=_grown(old.handled, after.handled),
        failed=_grown(old.failed, after.failed),
    )


def _worse_share(whole: tuple[float, float], gateway: tuple[float, float]) -> tuple[float, float]:
    """Requests and errors: all of them, or the gateway's alone if they fail more often there and that is no chance.

    A release tells by itself how many calls from inside it answered well; they must not hide what the gateway saw fail.
    """
    (requests, errors), (there, failed_there) = whole, gateway
    share = errors / requests if requests else 0.0
    if failed_there >= _LEAST_ERRORS and least_share(failed_there, there) > share:
        return there, min(failed_there, there)
    return whole


def together(first: Sample, second: Sample) -> Sample:
    """Both windows as one."""
    buckets = {bound: first.buckets.get(bound, 0) + count for bound, count in second.buckets.items()}
    return replace(
        second,
        requests=first.requests + second.requests,
        errors=first.errors + second.errors,
        buckets=buckets or first.buckets,
        handled=first.handled + second.handled,
        failed=first.failed + second.failed,
    )


def with_durations_of(sample: Sample, later: Sample) -> Sample:
    """The same counts, with the durations of a shorter window, if there are any."""
    return replace(sample, buckets=later.buckets) if later.quantile(P99) is not None else sample


def without_durations(sample: Sample) -> Sample:
    """The same counts alone."""
    return replace(sample, buckets={})


def judge(pair: Pair, limits: Limits, *, last: bool) -> tuple[Finding, ...]:
    """All that can be said of the window. last: there is no more time, so what is not known is decided now."""
    if pair.unknown:
        return _decided([Finding("figures", "unsure", f"no data: {pair.unknown}")], last)
    found = [*_alive(pair), *_enough(pair, limits)]
    if limits.samples and found[-1].check == "samples" and found[-1].outcome != "passed":
        return _decided(found, last)
    found += [*_errors(pair, limits), *_latency(pair, limits, last=last), *_events(pair, limits)]
    return _decided(found, last)


def outcome_of(findings: Sequence[Finding]) -> Outcome:
    """The worst of them."""
    outcomes = {finding.outcome for finding in findings}
    return "failed" if "failed" in outcomes else "unsure" if "unsure" in outcomes else "passed"


def figures(sample: Sample) -> Figures:
    """The sample as it is written down: JSON has no word for what is not finite, and a journal with it is not read again."""
    return Figures(
        round(_finite(sample.requests), 3), round(_finite(sample.errors), 3), _finite(sample.error_rate),
        _finite_or_none(sample.quantile(0.5)), _finite_or_none(sample.quantile(P99)),
        _finite(sample.handled), _finite(sample.failed), sample.restarts, sample.ready, sample.instances,
    )  # fmt: skip


def _finite(value: float) -> float:
    return value if isfinite(value) else 0.0


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _decided(findings: list[Finding], last: bool) -> tuple[Finding, ...]:
    """At the end of all time, no data is a failed check, and so are too many errors; a tail that may be chance is not."""
    if not last:
        return tuple(findings)
    end: dict[str, Outcome] = {"p99": "passed"}
    return tuple(
        one if one.outcome != "unsure" else Finding(one.check, end.get(one.check, "failed"), one.text)
        for one in findings
    )


def _alive(pair: Pair) -> Iterator[Finding]:
    canary = pair.canary
    text = _counted(canary.restarts, "restart")
    yield Finding("restarts", "failed" if canary.restarts else "passed", text)
    well = canary.ready >= max(1, canary.instances)
    yield Finding("ready", "passed" if well else "failed", f"{canary.ready} of {canary.instances} instances are ready")


def _enough(pair: Pair, limits: Limits) -> Iterator[Finding]:
    """Events count as requests do: some services live by them alone."""
    if not limits.samples:
        return
    events = pair.canary.handled + pair.canary.failed
    text = f"{_counted(pair.canary.requests, 'request')}{f' and {events:.0f} events' if events else ''} in {pair.seconds:.0f} s"
    if not pair.reached:
        yield Finding("samples", "unsure", "no data: its instances did not tell their figures")
    elif pair.canary.requests + events < limits.samples:
        found = "too little data" if pair.canary.requests + events else "no data"
        more = "more traffic, a longer interval or larger steps bring them"
        yield Finding("samples", "unsure", f"{found}: {text}, {limits.samples} are needed; {more}")
    else:
        yield Finding("samples", "passed", text)


def _errors(pair: Pair, limits: Limits) -> Iterator[Finding]:
    canary, stable = pair.canary, pair.stable
    rate, bound = canary.error_rate, limits.max_errors
    shown = f"{_percent(rate)} of {canary.requests:.0f} requests failed; {_percent(bound)} are allowed"
    if rate <= bound:
        yield Finding("errors", "passed", shown)
    else:
        sure = canary.errors >= _LEAST_ERRORS and least_share(canary.errors, canary.requests) > bound
        if stable.error_rate > bound:
            shown += f" (the stable release has {_percent(stable.error_rate)} too: the cause may be elsewhere)"
        yield Finding("errors", "failed" if sure else "unsure", shown)
    if not stable.requests:
        return
    worse = (
        rate > TIMES_STABLE * stable.error_rate
        and more_often(canary.errors, canary.requests, stable.errors, stable.requests) > VERY_SURE
    )
    text = f"{_percent(rate)} failed, {_percent(stable.error_rate)} of the stable release's"
    yield Finding("errors beside stable", "failed" if worse and canary.errors >= 3 else "passed", text)


def _latency(pair: Pair, limits: Limits, *, last: bool) -> Iterator[Finding]:
    mine, theirs = pair.canary.quantile(P99), pair.stable.quantile(P99)
    if not limits.max_p99:
        return
    if pair.cold:
        text = f"its first {_counted(pair.cold, 'request')} tell{'s' * (pair.cold == 1)} nothing of durations"
        yield Finding("p99", "unsure", text)
        return
    if mine is None or theirs is None:
        # A program in another language may tell no durations, and who lives by events has none.
        untold = pair.canary.requests == 0 or (theirs is None and pair.stable.requests > 0)
        outcome: Outcome = "unsure" if mine is None and not untold else "passed"
        yield Finding("p99" if mine is not None else "durations", outcome, "there is nothing to compare durations with")
        return
    theirs, times = max(theirs, pair.usual_p99), limits.max_p99 * pair.slack
    bound = max(theirs * times, FLOOR)
    text = f"{_ms(mine)} beside {_ms(theirs)} of the stable release; {_ms(bound)} are allowed"
    moved = _moved(pair, times)
    if moved:
        text += (
            f" (half take {_ms(pair.canary.quantile(0.5) or 0)}, {_ms(pair.stable.quantile(0.5) or 0)} of the stable's)"
        )
    if mine <= bound and not moved:
        yield Finding("p99", "passed", text)
        return
    showing = sum(_shows(canary, stable, times, bound, moved=moved) for canary, stable in pair.intervals)
    lasts = not pair.intervals or showing >= min(LASTING, limits.patience)
    sure = lasts and (moved or _many_above(pair, bound))
    # What was measured at another time may be due to the time: it is watched as long as it may be.
    yield Finding("p99", "failed" if sure and (last or not pair.alone) else "unsure", text)


def _shows(canary: Sample, stable: Sample, times: float, bound: float, *, moved: bool) -> bool:
    """Whether one interval alone points the same way, however few its requests are."""
    if moved:
        return (canary.quantile(0.5) or 0.0) > max(FLOOR, (stable.quantile(0.5) or 0.0) * times)
    return (canary.quantile(P99) or 0.0) > bound


def _many_above(pair: Pair, bound: float) -> bool:
    """Whether more requests took longer than chance explains: of so few, the stable release's own p99 is but a guess."""
    mine, total = pair.canary.slower(bound), max(pair.canary.buckets.values())
    theirs, others = pair.stable.slower(bound), max(pair.stable.buckets.values())
    beside = more_often(mine, total, theirs, others) > SURE
    return beside and least_share(mine, total, SURE) > 1 - P99 and mine >= 3


def _moved(pair: Pair, times: float) -> bool:
    """Whether half of the requests take that many times as long, and no chance made it so."""
    median, other = pair.canary.quantile(0.5) or 0.0, pair.stable.quantile(0.5) or 0.0
    return median > max(FLOOR, other * times) and slower(pair.canary.buckets, pair.stable.buckets) > VERY_SURE


def _events(pair: Pair, limits: Limits) -> Iterator[Finding]:
    canary, stable = pair.canary, pair.stable
    attempts, others = canary.handled + canary.failed, stable.handled + stable.failed
    if attempts < _EVENTS:
        return
    rate = canary.failed / attempts
    beside = stable.failed / others if others else 0.0
    bad = least_share(canary.failed, attempts) > limits.max_errors and rate > TIMES_STABLE * beside
    text = f"{_percent(rate)} of {attempts:.0f} attempts to handle an event failed, {_percent(beside)} of the stable release's"
    yield Finding("events", "failed" if bad and canary.failed >= 2 else "passed", text)


def _grown(before: float, after: float) -> float:
    return after - before if after >= before else after


def _counted(count: float, what: str) -> str:
    return f"{count:.0f} {what}{'' if round(count) == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 0.1 else f"{share * 100:.0f} %"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
