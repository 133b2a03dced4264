"""Prices in the order service's own database, and how an order is saved together with what others hear of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from math import inf

from atoll.contracts import NotFound
from atoll.data import Database, Work, load, save_on_commit
from atoll.service import Caller
from shop_contracts import OrderId
from shop_orders.order import Order

_PRICES = "SELECT sku, amount FROM prices WHERE currency = $1"
FRESH = 5.0  # seconds that a price is used before it is read again: so much later a new one is seen


class PriceList:
    """Minor units by currency and sku, as the table says, kept for `FRESH` seconds. The list of a currency is small."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lists: dict[str, tuple[float, dict[str, int]]] = {}

    async def prices(self, currency: str) -> Mapping[str, int]:
        """Each sku that has a price in this currency, and its price."""
        read_at, found = self._lists.get(currency, (-inf, {}))
        now = time.monotonic()
        if now - read_at > FRESH:
            async with self._database.connection() as connection:
                found = {row["sku"]: row["amount"] for row in await connection.fetch(_PRICES, currency)}
            self._lists[currency] = now, found
        return found


async def price_list(database: Database) -> AsyncIterator[PriceList]:
    """One of this process."""
    yield PriceList(database)


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
    """Stores what was recorded and tells others, when the work commits: StreamConflict then, if somebody else was quicker."""
    news = order.news()
    await save_on_commit(work, order)
    for event in news:
        await work.publish(event)


def _no_order(order_id: OrderId) -> NotFound:
    return NotFound(f"you have no order {order_id}")
