"""What happened between two readings, and what of it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf, nan
from typing import Any

import msgspec
import pytest

from atoll.platform.rollout import Reading
from atoll.platform.rollout.analysis import Pair, difference, figures, judge
from atoll.platform.rollout.records import Figures, Limits
from atoll.system import Sample

BEFORE = Reading(0.0, requests=1000, errors=10, at_gateway=100, failed_at_gateway=10)


def after(requests: float, errors: float, at_gateway: float, failed_at_gateway: float) -> tuple[float, float]:
    """The requests and errors of a window in which that happened."""
    now = replace(
        BEFORE, requests=1000 + requests, errors=10 + errors, at_gateway=100 + at_gateway,
        failed_at_gateway=10 + failed_at_gateway,
    )  # fmt: skip
    found = difference(BEFORE, now)
    return found.requests, found.errors


def test_requests_that_a_release_only_claims_do_not_hide_what_the_gateway_saw_fail() -> None:
    assert after(100_000, 20, 20, 20) == (20, 20)


def test_errors_that_it_claimed_before_do_not_hide_them_either() -> None:
    assert after(20, 0, 20, 20) == (20, 20)


def test_calls_from_inside_and_their_errors_count() -> None:
    assert after(500, 5, 100, 1) == (500, 5)
    assert after(500, 50, 100, 0) == (500, 50)


def test_one_error_at_the_gateway_is_a_chance_and_all_are_counted_together() -> None:
    assert after(500, 1, 20, 1) == (500, 1)


@pytest.mark.parametrize("odd", [inf, -inf, nan])
def test_no_figure_that_is_not_finite_is_written_down(odd: float) -> None:
    sample = Sample(requests=odd, errors=odd, handled=odd, failed=odd, buckets={0.1: odd, inf: odd})
    written = msgspec.json.encode(figures(sample))
    assert b"null" not in written.replace(b'"p50":null', b"").replace(b'"p99":null', b"")
    assert msgspec.json.decode(written, type=Figures) == figures(sample)


def test_the_highest_bound_does_not_make_a_duration_infinite() -> None:
    assert Sample(buckets={1e308: 1000.0, inf: 1000.0}).quantile(0.99) == pytest.approx(0.99e308)


@pytest.mark.parametrize(("slow", "found"), [(4, "passed"), (10, "failed")])
def test_the_tail_of_few_requests_is_a_guess(slow: int, found: str) -> None:
    """150 requests after a switch beside 50 before it: none of those took more than 10 ms, which says little of the next 150."""
    stable = Sample(requests=50, buckets={0.005: 30, 0.01: 50, 0.025: 50, 0.05: 50, inf: 50}, ready=1, instances=1)
    buckets = {0.005: 90, 0.01: 150 - slow, 0.025: 150 - slow, 0.05: 150, inf: 150}
    pair = Pair(Sample(requests=150, buckets=buckets, ready=1, instances=1), stable, 6.0, alone=True)
    (p99,) = [one for one in judge(pair, Limits(), last=True) if one.check == "p99"]
    assert p99.outcome == found


@pytest.mark.parametrize("odd", [inf, nan, -1.0, 1e308])
def test_a_reading_with_such_counts_is_none(odd: float) -> None:
    assert BEFORE.countable
    counts: list[Mapping[str, Any]] = [
        {name: odd} for name in ("requests", "errors", "handled", "failed", "at_gateway", "failed_at_gateway")
    ]
    for told in (*counts, {"buckets": {0.1: odd}}):
        assert not replace(BEFORE, **told).countable
