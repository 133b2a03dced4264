"""What a cart costs, and which carts are refused, naming the item."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.contracts import Invalid
from shop_contracts import Item, OrderLine, UnknownSku, UnsupportedCurrency
from shop_orders.pricing import MAX_TOTAL, check_currency, fill_cart

PRICES = {"A1": 99, "B2": 399, "Z9": 23_399}
ITEMS = st.lists(
    st.builds(Item, sku=st.sampled_from(sorted(PRICES)), quantity=st.integers(1, 10)), min_size=1, max_size=40
)


def test_a_cart_costs_its_quantities_times_the_prices() -> None:
    cart = fill_cart([Item("A1", 2), Item("B2", 1)], PRICES, "EUR")
    assert cart.lines == (OrderLine("A1", 2, 99), OrderLine("B2", 1, 399))
    assert (cart.total, cart.currency) == (2 * 99 + 399, "EUR")


def test_the_same_sku_twice_becomes_one_line_where_it_stood_first() -> None:
    cart = fill_cart([Item("B2", 1), Item("A1", 2), Item("B2", 4)], PRICES, "EUR")
    assert cart.lines == (OrderLine("B2", 5, 399), OrderLine("A1", 2, 99))


@given(ITEMS)
def test_merging_lines_never_changes_what_is_paid(items: list[Item]) -> None:
    cart = fill_cart(items, PRICES, "EUR")
    assert cart.total == sum(PRICES[item.sku] * item.quantity for item in items)
    assert [line.sku for line in cart.lines] == list(dict.fromkeys(item.sku for item in items))


def test_each_unknown_sku_is_named_where_it_stands() -> None:
    with pytest.raises(UnknownSku, match=r"items\[1\]\.sku") as caught:
        fill_cart([Item("A1", 1), Item("NOPE", 1), Item("GONE", 1)], PRICES, "EUR")
    assert [one.field for one in caught.value.fields] == ["items[1].sku", "items[2].sku"]


def test_too_many_pieces_in_several_items_are_refused_where_they_become_too_many() -> None:
    with pytest.raises(Invalid) as caught:
        fill_cart([Item("A1", 600), Item("B2", 1), Item("A1", 401)], PRICES, "EUR")
    assert [one.field for one in caught.value.fields] == ["items[2].quantity"]


def test_a_total_over_the_limit_is_refused() -> None:
    prices = {"A1": MAX_TOTAL // 1000, "B2": 1}
    assert fill_cart([Item("A1", 1000)], prices, "EUR").total == MAX_TOTAL
    with pytest.raises(Invalid, match="1,000,000 EUR") as caught:
        fill_cart([Item("A1", 1000), Item("B2", 1)], prices, "EUR")
    assert [one.field for one in caught.value.fields] == ["items"]


def test_a_currency_without_prices_is_refused_by_name() -> None:
    check_currency("USD")
    with pytest.raises(UnsupportedCurrency, match="JPY is not one of EUR, GBP, USD") as caught:
        check_currency("JPY")
    assert [one.field for one in caught.value.fields] == ["currency"]
