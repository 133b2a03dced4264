"""Orders that nobody pays are cancelled when their time is over.

There is no timer to lose: which orders wait, and since when, is a row of the read model, and each instance looks there now and
then. A payment that comes in at the same moment and the end of the time are decided by the order itself: one of the two is
saved, the other one finds that somebody was quicker. A payment that comes later changes nothing, and goes back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator

from atoll.contracts import Unavailable
from atoll.data import Database, StreamConflict, load
from shop_contracts import OrderId
from shop_orders.order import Order
from shop_orders.order_list import OrderList
from shop_orders.settings import OrderSettings
from shop_orders.store import save_order

_log = logging.getLogger(__name__)
LOOKS = 60  # in the time that an order has: each is cancelled at most a 60th of it too late
LONGEST = 10.0  # seconds between two looks, at the most
AT_ONCE = 100  # orders of one look


class UnpaidOrders:
    """Cancels them, from start to stop."""

    def __init__(self, database: Database, orders: OrderList, timeout: float) -> None:
        self._database = database
        self._orders = orders
        self._timeout = timeout

    async def run(self) -> None:
        """Looks again and again. A failure is logged and tried again."""
        while True:
            try:
                while await self.look() == AT_ONCE:
                    _log.info("%d orders were not paid in time, and there are more", AT_ONCE)
            except Unavailable as error:
                _log.info("unpaid orders wait, the database is away: %s", error.detail)
            except Exception:  # it must live as long as the service does; it is seen, and tried again
                _log.exception("unpaid orders could not be cancelled; the next look tries again")
            await asyncio.sleep(min(self._timeout / LOOKS, LONGEST) * random.uniform(0.7, 1.0))

    async def look(self) -> int:
        """Cancels what is overdue; how many orders it looked at, `AT_ONCE` at the most."""
        overdue = await self._orders.unpaid(self._timeout, AT_ONCE)
        for order_id in overdue:
            await self._expire(order_id)
        return len(overdue)

    async def _expire(self, order_id: OrderId) -> None:
        try:
            async with self._database.work() as work:
                order = await load(work, Order, order_id)
                order.expire()
                await save_order(work, order)
        except StreamConflict:
            _log.info("order %s was paid or cancelled at the last moment", order_id)


async def unpaid_orders(database: Database, orders: OrderList, settings: OrderSettings) -> AsyncIterator[UnpaidOrders]:
    """Runs beside the handlers."""
    made = UnpaidOrders(database, orders, settings.orders_payment_timeout)
    task = asyncio.create_task(made.run(), name="unpaid orders")
    yield made
    task.cancel()
    await asyncio.wait({task})
