"""What the payment service does when it hears of an order.

A provider that does not answer fails the message: it comes again, and asks with the same key.
"""

from __future__ import annotations

from atoll.data import Work
from atoll.service import consumes, handling
from shop_contracts import OrderCancelled, OrderCreated
from shop_payments.book import WorkBook
from shop_payments.charging import Demand, cancel_charge, charge_orders
from shop_payments.provider import PaymentProvider


@consumes(OrderCreated)
async def charge_created_orders(events: list[OrderCreated], work: Work, provider: PaymentProvider) -> None:
    """Charges the orders, except those that were charged or cancelled before."""
    demands = [Demand(event.order_id, event.total, event.currency, event.card) for event in events]
    await charge_orders(WorkBook(work), provider, demands, lambda at: handling(events[at]))


@consumes(OrderCancelled)
async def pay_back_cancelled_order(event: OrderCancelled, work: Work, provider: PaymentProvider) -> None:
    """Gives back what was captured; an order that was not charged yet never will be."""
    await cancel_charge(WorkBook(work), provider, event.order_id)
