"""What happens to an order after it was placed: its payment comes in or is declined, or the customer cancels.

Each handler loads the order, lets it decide and saves it. When a capture and a cancellation come together, one of them finds
that the other was quicker, and is tried again; the table in `lifecycle` decides, whatever their order.
"""

from __future__ import annotations

import logging

from atoll.contracts import Conflict, NotFound
from atoll.data import Work, load, load_all
from atoll.service import Caller, consumes, handling, implements
from shop_contracts import CancelOrder, OrderId, Orders, PaymentCaptured, PaymentDeclined
from shop_contracts import Order as OrderView
from shop_orders.order import Order
from shop_orders.store import own_order, save_order

_log = logging.getLogger(__name__)


@implements(Orders.cancel)
async def cancel_order(command: CancelOrder, caller: Caller, work: Work) -> OrderView:
    """Takes the order back; a payment that came in, or still comes in, goes back by event. Again: nothing more."""
    order = await own_order(work, command.id, caller)
    order.cancel()
    await save_order(work, order)
    return order.view()


@consumes(PaymentCaptured)
async def confirm_orders(events: list[PaymentCaptured], work: Work) -> None:
    """The orders are paid, if what came in is what they cost; another amount goes to the dead letters, for a person to see."""
    orders = await load_all(work, Order, (event.order_id for event in events))
    for event in events:
        with handling(event):
            if (order := orders.get(event.order_id)) is None:
                _note_unknown(event.order_id)
            else:
                await _confirm(order, event, work)


async def _confirm(order: Order, event: PaymentCaptured, work: Work) -> None:
    if (event.amount, event.currency) != (order.total, order.currency):
        raise Conflict(
            f"order {order.id} costs {order.total} {order.currency}, but {event.amount} {event.currency} were captured"
        )
    order.pay(event.payment_id)
    await save_order(work, order)


@consumes(PaymentDeclined)
async def decline_order(event: PaymentDeclined, work: Work) -> None:
    """The order cannot be paid."""
    try:
        order = await load(work, Order, event.order_id)
    except NotFound:
        _note_unknown(event.order_id)
        return
    order.decline(f"payment declined: {event.reason}")
    await save_order(work, order)


def _note_unknown(order_id: OrderId) -> None:
    """Machines may charge for orders of their own; they are none of ours."""
    _log.warning("a payment for order %s, which is not in the books", order_id)
