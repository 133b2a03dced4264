"""Money adds up, and never mixes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.contracts import Invalid, Money
from atoll.contracts.codec import decoder_for, encode
from atoll.contracts.money import MAX_MINOR_UNITS, CurrencyMismatch

EUROS = st.integers(-(10**12), 10**12).map(lambda cents: Money(cents, "EUR"))
ZERO = Money(0, "EUR")


@given(EUROS, EUROS, EUROS, st.integers(-1000, 1000))
def test_the_laws_of_sums_hold(one: Money, two: Money, three: Money, factor: int) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + ZERO == one
    assert one - two == one + -two
    assert one - one == ZERO
    assert (one + two) * factor == one * factor + factor * two


@given(EUROS, EUROS)
def test_the_order_is_total(one: Money, two: Money) -> None:
    assert (one < two) + (one == two) + (one > two) == 1
    assert (one <= two) == (one < two or one == two)
    assert (one >= two) == (two <= one)


@pytest.mark.parametrize("operate", [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b, lambda a, b: a <= b])
def test_currencies_do_not_mix(operate: Any) -> None:
    with pytest.raises(CurrencyMismatch, match="EUR and USD do not mix"):
        operate(Money(1, "EUR"), Money(1, "USD"))


def test_the_same_number_of_another_currency_is_not_the_same() -> None:
    assert Money(1, "EUR") != Money(1, "USD")


def test_a_fraction_of_a_cent_does_not_come_about_by_accident() -> None:
    with pytest.raises(TypeError):
        Money(100, "EUR") * 1.5  # type: ignore[operator]


@given(EUROS)
def test_money_travels(money: Money) -> None:
    assert decoder_for(Money)(encode(money)) == money


@pytest.mark.parametrize(
    "body",
    [
        b'{"amount": 1.5, "currency": "EUR"}',
        b'{"amount": "1", "currency": "EUR"}',
        b'{"amount": 1, "currency": "eur"}',
        b'{"amount": 1, "currency": "EURO"}',
        b'{"amount": 1, "currency": "EUR\\n"}',
        b'{"amount": %d, "currency": "EUR"}' % (MAX_MINOR_UNITS + 1),
        b'{"amount": 1}',
    ],
)
def test_what_is_no_money_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        decoder_for(Money)(body)
