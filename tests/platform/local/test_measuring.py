"""What a page of metrics counts, and what is no count."""

from __future__ import annotations

import pytest

from atoll.platform.local.measuring import REQUESTS, of_page

PAGE = f"""\
# TYPE {REQUESTS} histogram
{REQUESTS}_bucket{{http_response_status_code="200",le="0.5"}} 3
{REQUESTS}_bucket{{http_response_status_code="200",le="+Inf"}} 4
{REQUESTS}_count{{http_response_status_code="200"}} 4
{REQUESTS}_count{{http_response_status_code="503"}} 1
"""


def test_a_page_is_counted() -> None:
    counted = of_page(PAGE)
    assert (counted["requests"], counted["errors"], counted.buckets()) == (5.0, 1.0, {0.5: 3.0, float("inf"): 4.0})


@pytest.mark.parametrize("told", ["NaN", "-1", "+Inf", "-Inf", "1e999", "many"])
def test_what_is_no_count_is_not_judged_by(told: str) -> None:
    with pytest.raises(ValueError, match=f"{REQUESTS}_count is|could not convert"):
        of_page(PAGE.replace("} 1\n", "} " + told + "\n"))


@pytest.mark.parametrize("bound", ["NaN", "-1", "soon"])
def test_a_bound_that_is_no_time_is_refused(bound: str) -> None:
    with pytest.raises(ValueError, match=r"le=|could not convert"):
        of_page(PAGE.replace('le="0.5"', f'le="{bound}"'))
