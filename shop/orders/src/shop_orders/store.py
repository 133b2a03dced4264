"""Prices in the order service's own database, and how an order is saved together with what others hear of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from atoll.contracts import NotFound
from atoll.data import Row, Work, load, save
from atoll.service import Caller
from shop_contracts import OrderId
from shop_orders.order import Order

_PRICES = "SELECT sku, amount FROM prices WHERE currency = $1 AND sku = ANY($2)"


class Reads(Protocol):
    """What can be read with: a unit of work, or a connection on its own."""

    async def fetch(self, statement: str, *arguments: Any) -> list[Row]:
        """All rows."""


async def read_prices(source: Reads, skus: Sequence[str], currency: str) -> dict[str, int]:
    """Minor units by sku; a sku without a price is missing."""
    return {row["sku"]: row["amount"] for row in await source.fetch(_PRICES, currency, skus)}


async def own_order(work: Work, order_id: OrderId, caller: Caller) -> Order:
    """The caller's order. NotFound for someone else's, too: whether it exists is nobody else's business."""
    try:
        order = await load(work, Order, order_id)
    except NotFound:
        raise _no_order(order_id) from None
    if order.customer != caller.subject:
        raise _no_order(order_id)
    return order


async def save_order(work: Work, order: Order) -> None:
    """Stores what was recorded and tells others, in one transaction. StreamConflict if somebody else was quicker."""
    news = order.news()
    await save(work, order)
    for event in news:
        await work.publish(event)


def _no_order(order_id: OrderId) -> NotFound:
    return NotFound(f"you have no order {order_id}")
