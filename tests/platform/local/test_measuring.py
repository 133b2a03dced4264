"""What a page of metrics counts, and what is no count."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from atoll.platform.local import measuring
from atoll.platform.local.measuring import MOST_BOUNDS, REQUESTS, Counted, Growing, of_page, read_page
from atoll.platform.rollout.fleet import MOST_COUNTED

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


def test_counts_that_are_too_many_to_be_counted_together_are_refused() -> None:
    halves = "".join(f'{REQUESTS}_count{{http_route="/{name}"}} {MOST_COUNTED}\n' for name in "ab")
    with pytest.raises(ValueError, match=f"{REQUESTS}_count is 1e308, which is no count"):
        of_page(PAGE.replace("} 1\n", "} 1e308\n"))
    with pytest.raises(ValueError, match=r"requests is .*, which is no count"):
        of_page(halves)


def test_an_exemplar_is_no_count() -> None:
    page = f'{REQUESTS}_bucket{{le="0.5"}} 3 # {{trace_id="4bf92f"}} 0.25 1700000000.0\n'
    assert of_page(page).buckets() == {0.5: 3.0}


@pytest.mark.parametrize("value", ["a}b", r"a\"} 9", 'é, le=\\"1\\"', ""])
def test_whatever_stands_in_a_label_is_no_part_of_the_line(value: str) -> None:
    page = f'{REQUESTS}_count{{http_route="{value}", http_response_status_code="500"}} 2\r\n'
    assert of_page(page)["errors"] == 2


def test_an_instance_with_ever_new_bounds_is_refused_and_what_it_told_before_stays() -> None:
    growing = Growing()
    growing.see(Counted({"requests": 5.0, "le:0.5": 5.0}))
    many = Counted({"requests": 9.0} | {f"le:{number}": 1.0 for number in range(MOST_BOUNDS)})
    with pytest.raises(ValueError, match="different bounds"):
        growing.see(many)
    assert growing.total() == Counted({"requests": 5.0, "le:0.5": 5.0})


async def test_a_page_that_takes_too_long_is_given_up_and_its_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def endless(_: str, given_up: Callable[[], bool]) -> Counted:
        while not given_up():
            pass
        ended.set()
        return Counted()

    monkeypatch.setattr(measuring, "of_page", endless)
    with pytest.raises(TimeoutError):
        await read_page(b"", 0.05)
    assert await asyncio.to_thread(ended.wait, 20)


async def test_a_page_is_read_beside_the_event_loop() -> None:
    assert (await read_page(PAGE.encode(), 20.0))["requests"] == 5
