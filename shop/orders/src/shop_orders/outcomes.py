"""What happens to an order after it was placed: its payment comes in or is declined, or the customer cancels.

Each handler locks the order's row first, so that a capture and a cancellation that come together are taken one after the
other; the table in `lifecycle` decides, whatever their order.
"""

from __future__ import annotations

import logging

from atoll.contracts import Conflict, NotFound
from atoll.data import Work
from atoll.service import Caller, consumes, implements
from shop_contracts import CancelOrder, OrderId, Orders, PaymentCaptured, PaymentDeclined
from shop_contracts import Order as OrderView
from shop_orders.lifecycle import Fact
from shop_orders.order import Order
from shop_orders.store import change_order, lock_order

CANCELLED_BY_CUSTOMER = "cancelled by the customer"
_log = logging.getLogger(__name__)


@implements(Orders.cancel)
async def cancel_order(command: CancelOrder, caller: Caller, work: Work) -> OrderView:
    """Takes the order back; a payment that came in, or still comes in, goes back by event. Again: nothing more."""
    order = await lock_order(work, command.id)
    if order is None or order.customer != caller.subject:
        raise NotFound(f"you have no order {command.id}")
    return (await _take(work, order, Fact.CANCEL, CANCELLED_BY_CUSTOMER)).view()


@consumes(PaymentCaptured)
async def confirm_order(event: PaymentCaptured, work: Work) -> None:
    """The order is paid, if what came in is what it costs; another amount goes to the dead letters, for a person to see."""
    order = await _paid_order(work, event.order_id)
    if order is None:
        return
    if (event.amount, event.currency) != (order.total, order.currency):
        raise Conflict(
            f"order {order.id} costs {order.total} {order.currency}, but {event.amount} {event.currency} were captured"
        )
    await _take(work, order, Fact.CAPTURED)


@consumes(PaymentDeclined)
async def decline_order(event: PaymentDeclined, work: Work) -> None:
    """The order cannot be paid."""
    order = await _paid_order(work, event.order_id)
    if order is not None:
        await _take(work, order, Fact.DECLINED, f"payment declined: {event.reason}")


async def _paid_order(work: Work, order_id: OrderId) -> Order | None:
    order = await lock_order(work, order_id)
    if order is None:  # machines may charge for orders of their own; they are none of ours
        _log.warning("a payment for order %s, which is not in the books", order_id)
    return order


async def _take(work: Work, order: Order, fact: Fact, reason: str = "") -> Order:
    changed = order.take(fact, reason)
    news = changed.news()
    if changed is not order and news is not None:
        await change_order(work, changed)
        await work.publish(news)
    return changed
