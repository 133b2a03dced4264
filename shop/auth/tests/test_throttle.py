from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_auth.throttle import LONGEST, WINDOW, Failures, account_key, address_key, wait


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (14, 512), (15, LONGEST), (10_000, LONGEST)]
)
def test_each_failure_past_the_free_ones_costs_twice_the_time(count: int, seconds: float) -> None:
    assert wait(Failures(count, 0.0), 5, 0.0) == seconds


@given(st.integers(0, 10**9), st.floats(0, 2000), st.floats(0, 2000))
def test_waiting_never_makes_it_longer(count: int, earlier: float, later: float) -> None:
    earlier, later = sorted((earlier, later))
    failures = Failures(count, 0.0)
    assert 0 <= wait(failures, 5, later) <= wait(failures, 5, earlier) <= LONGEST


def test_quiet_forgives() -> None:
    assert wait(Failures(100, 0.0), 5, WINDOW) == 0


def test_the_last_address_counts_because_the_gateway_wrote_it() -> None:
    key = address_key("6.6.6.6, 10.0.0.9")
    assert key is not None
    assert key.text == "address:10.0.0.9"


def test_an_ipv6_customer_has_many_addresses() -> None:
    assert address_key("2001:db8:1:2:3::4") == address_key("2001:db8:1:2::9")
    assert address_key("2001:db8:1:3::9") != address_key("2001:db8:1:2::9")


@pytest.mark.parametrize("garbage", ["", "nowhere", "1.2.3.4, ", "1.2.3", "\0"])
def test_garbage_is_no_address(garbage: str) -> None:
    assert address_key(garbage) is None


def test_an_email_is_not_kept_among_the_failures() -> None:
    assert "ada" not in account_key("ada@example.org").text
