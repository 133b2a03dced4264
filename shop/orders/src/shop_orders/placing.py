"""Placing an order, and asking beforehand what it would cost."""

from __future__ import annotations

from atoll.contracts import DeadlineExceeded, Unavailable, new_id
from atoll.data import Work
from atoll.service import Caller, implements
from shop_contracts import (
    ChargeRequest,
    OrderId,
    Orders,
    Payments,
    PlaceOrder,
    Quote,
    UserId,
)
from shop_contracts import Order as OrderView
from shop_orders.order import Order
from shop_orders.pricing import Cart, check_currency, fill_cart
from shop_orders.store import PriceList, save_order


@implements(Orders.place)
async def place_order(command: PlaceOrder, caller: Caller, work: Work, prices: PriceList) -> OrderView:
    """Stores the order and tells everyone, in one transaction; its payment comes by event."""
    order = Order.place(UserId(caller.subject), await _fill(command, prices), command.card)
    await save_order(work, order)
    return order.view()


@implements(Orders.quote)
async def quote_order(command: PlaceOrder, prices: PriceList, payments: Payments) -> Quote:
    """Asks the payment service whether it would accept the total. The order id is made up: a dry run leaves no trace.

    No unit of work: a connection must not be held while another service is asked.
    """
    cart = await _fill(command, prices)
    request = ChargeRequest(new_id(OrderId), cart.total, cart.currency, dry_run=True, card=command.card)
    try:
        charge = await payments.charge(request)
    except DeadlineExceeded:  # theirs, not ours: our caller has time left to hear of it
        raise Unavailable("the payment service does not answer; ask again later") from None
    return Quote(cart.total, cart.currency, charge.accepted)


async def _fill(command: PlaceOrder, prices: PriceList) -> Cart:
    check_currency(command.currency)
    return fill_cart(command.items, await prices.prices(command.currency), command.currency)
