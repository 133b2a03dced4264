"""A return: the goods come back, then the money does. A saga over three services and two weeks.

    the parcel comes  ->  receive  ->  refund  ->  restock  ->  close

The refund is the point of no return: what can fail for good comes before it, and what takes that back stands beside it.

    opened     when no parcel comes in time, the return fails and the order stays paid
    receive    when the refund is refused, the parcel is sent back
    refund     nothing takes it back
    restock    refuses nothing, so it is tried until it is done
    close      likewise
"""

from __future__ import annotations

from atoll.contracts import Message
from atoll.data import Work, load
from atoll.sagas import Saga, saga
from shop_contracts import (
    Inventory,
    OrderId,
    ParcelReceived,
    PaymentId,
    Payments,
    RefundPayment,
    Restock,
    Returned,
    ReturnId,
    SendBack,
)
from shop_orders.order import Order
from shop_orders.settings import OrderSettings
from shop_orders.store import save_order

NO_PARCEL = "no parcel came in time"
NO_REFUND = "the payment could not be given back; the parcel goes back to you"


class ReturnGoods(Message):
    """What a return is about. amount: minor units that go back."""

    order_id: OrderId
    payment_id: PaymentId
    amount: int
    items: tuple[Returned, ...]


@saga(key="order_id", awaits=[ParcelReceived])
async def return_goods(
    start: ReturnGoods, saga: Saga, payments: Payments, inventory: Inventory, settings: OrderSettings
) -> None:
    """One an order, however often it is asked for."""
    order = start.order_id
    await saga.undo("fail", fail_return, order)
    parcel = await saga.wait(ParcelReceived, timeout=settings.orders_parcel_timeout)
    await saga.step("receive", receive_return, order).undo(inventory.send_back, SendBack(parcel.parcel_id))
    await saga.call("refund", payments.refund, RefundPayment(start.payment_id, start.amount))
    await saga.call("restock", inventory.restock, Restock(ReturnId(saga.id), start.items))
    await saga.step("close", close_return, order)


async def receive_return(work: Work, order_id: OrderId) -> None:
    """The goods are back."""
    order = await load(work, Order, order_id)
    order.receive_return()
    await save_order(work, order)


async def close_return(work: Work, order_id: OrderId) -> None:
    """All is done."""
    order = await load(work, Order, order_id)
    order.close_return()
    await save_order(work, order)


async def fail_return(work: Work, order_id: OrderId) -> None:
    """It came to nothing; how far it had come says why."""
    order = await load(work, Order, order_id)
    order.fail_return(NO_REFUND if order.return_is("received") else NO_PARCEL)
    await save_order(work, order)
