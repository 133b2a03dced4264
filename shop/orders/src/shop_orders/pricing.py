"""What an order costs: quantities times the shop's own prices. Nothing that a customer sends is a price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from atoll.contracts import FieldError, Invalid
from shop_contracts import Item, OrderLine, UnknownSku, UnsupportedCurrency

CURRENCIES: Final = ("EUR", "GBP", "USD")
"""The currencies of the price list; each article has a price in each of them."""

MAX_QUANTITY: Final = 1000
"""Pieces of one article in one order, also when it stands in several items; the contract bounds each item alone."""

MAX_TOTAL: Final = 100_000_000
"""Minor units: one million euro, pounds or dollars. What costs more is sold by people."""


@dataclass(frozen=True, slots=True)
class Cart:
    """Priced lines and their sum in minor units of ``currency``."""

    lines: tuple[OrderLine, ...]
    total: int
    currency: str


def check_currency(currency: str) -> None:
    """UnsupportedCurrency, naming the field, unless the price list has prices in it."""
    if currency not in CURRENCIES:
        what = f"is not one of {', '.join(CURRENCIES)}"
        raise UnsupportedCurrency(f"currency: {currency} {what}", fields=[FieldError("currency", what)])


def fill_cart(items: Sequence[Item], prices: Mapping[str, int], currency: str) -> Cart:
    """The items at these prices (minor units by sku). The same sku twice becomes one line, where it stood first.

    Errors name the item as the customer wrote it: UnknownSku ``items[2].sku``, Invalid ``items[2].quantity`` when the pieces of
    one article add up to too many, Invalid ``items`` when the total is over the limit.
    """
    _refuse_unknown(items, prices)
    lines = tuple(OrderLine(sku, quantity, prices[sku]) for sku, quantity in _merge(items).items())
    total = sum(line.quantity * line.price for line in lines)
    if total > MAX_TOTAL:
        what = f"cost more than {MAX_TOTAL // 100:,} {currency} together; place several orders"
        raise Invalid(f"items: {what}", fields=[FieldError("items", what)])
    return Cart(lines, total, currency)


def _refuse_unknown(items: Sequence[Item], prices: Mapping[str, int]) -> None:
    wrong = [
        FieldError(f"items[{at}].sku", "is not in the price list")
        for at, item in enumerate(items)
        if item.sku not in prices
    ]
    if wrong:
        raise UnknownSku(f"{wrong[0].field}: {wrong[0].message}", fields=wrong)


def _merge(items: Sequence[Item]) -> dict[str, int]:
    quantities: dict[str, int] = {}
    for at, item in enumerate(items):
        quantities[item.sku] = quantities.get(item.sku, 0) + item.quantity
        if quantities[item.sku] > MAX_QUANTITY:
            what = f"makes more than {MAX_QUANTITY} pieces of {item.sku} in one order"
            raise Invalid(f"items[{at}].quantity: {what}", fields=[FieldError(f"items[{at}].quantity", what)])
    return quantities
