"""What the order service promises: orders, their prices, and the facts about them.

Amounts are whole minor units (cents) of the order's currency. A caller sees only their own orders; another's is not
found.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from atoll.contracts import (
    Access,
    Amount,
    Api,
    Conflict,
    Currency,
    Event,
    Input,
    Invalid,
    Message,
    NotFound,
    Operation,
    Surface,
    Unavailable,
)
from shop_contracts.ids import (
    DEFAULT_CARD,
    DEFAULT_CURRENCY,
    CardToken,
    OrderId,
    Quantity,
    Reason,
    ReturnId,
    Sku,
    UserId,
)
from shop_contracts.scopes import ORDERS_READ, ORDERS_WRITE

MAX_ITEMS = 100
MAX_PAGE = 100
DEFAULT_PAGE = 20

OrderStatus = Literal["pending", "confirmed", "declined", "cancelled"]
"""pending: waiting for its payment. declined: the payment was refused. cancelled: the customer took it back, or it
was not paid in time."""

ReturnStatus = Literal["waiting", "received", "closed", "failed"]
"""waiting: for the parcel. received: it is there. closed: the money is back. failed: ``reason`` says why, and the
order stays paid."""


class UnknownSku(Invalid, code="unknown-sku"):
    """The price list has no such article."""


class UnsupportedCurrency(Invalid, code="unsupported-currency"):
    """The price list has no prices in this currency."""


class NotCancellable(Conflict, code="not-cancellable"):
    """The order is declined already, or is being returned."""


class NotReturnable(Conflict, code="not-returnable"):
    """Only what is paid can be returned."""


class Item(Input):
    """So many of one article."""

    sku: Sku
    quantity: Quantity


class PlaceOrder(Input):
    """What a customer wants; prices come from the shop's own list. card: which card is charged, never its number."""

    items: Annotated[tuple[Item, ...], Meta(min_length=1, max_length=MAX_ITEMS)]
    currency: Currency = DEFAULT_CURRENCY
    card: CardToken = DEFAULT_CARD


class OrderLine(Message):
    """One article of an order. price: of one piece, when the order was placed."""

    sku: str
    quantity: int
    price: Amount


class Order(Message):
    """An order as its customer sees it. total: minor units. reason: why it was declined or cancelled."""

    id: OrderId
    status: OrderStatus
    total: Amount
    currency: Currency
    items: tuple[OrderLine, ...]
    created_at: datetime
    reason: Reason = ""


class GetOrder(Input):
    """One order by its id."""

    id: OrderId


class CancelOrder(Input):
    """The order to cancel; the path says which."""

    id: OrderId


class ListOrders(Input):
    """A page of the caller's orders, newest first. cursor: ``next`` of the page before; empty for the first page."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE
    cursor: Annotated[str, Meta(max_length=200)] = ""


class OrderPage(Message):
    """One page. next: the cursor of the page after; null when this is the last one."""

    items: tuple[Order, ...]
    next: str | None = None


class Quote(Message):
    """What an order would cost, and whether the payment would be accepted now. Nothing is stored or charged."""

    total: Amount
    currency: Currency
    accepted: bool


class OrderCreated(Event, subject="order.created", version=1, key="order_id", omit_defaults=True):
    """An order waits for its payment. card: only there when it is not the customer's default card."""

    order_id: OrderId
    user_id: UserId
    total: Amount
    currency: Currency
    card: CardToken = DEFAULT_CARD


class OrderConfirmed(Event, subject="order.confirmed", version=1, key="order_id"):
    """An order is paid."""

    order_id: OrderId
    user_id: UserId
    total: Amount
    currency: Currency


class OrderCancelled(Event, subject="order.cancelled", version=1, key="order_id"):
    """An order will not be delivered: its payment was declined, or it was cancelled (what was paid goes back)."""

    order_id: OrderId
    user_id: UserId
    reason: Reason


class ReturnOrder(Input):
    """The order whose goods come back; the path says which."""

    id: OrderId


class GetReturn(Input):
    """The return of an order, by the order's id."""

    id: OrderId


class Return(Message):
    """A return: the goods come back, then the money does. There is one an order."""

    id: ReturnId
    order_id: OrderId
    status: ReturnStatus
    reason: Reason = ""


class Orders(Api):
    """Orders and their prices."""

    place = Operation(
        "POST /orders", PlaceOrder, Order, keyed=True, access=Access(scopes=(ORDERS_WRITE,)),
        errors=(UnknownSku, UnsupportedCurrency), http=Surface(status=201, location="/orders/{id}"),
        summary="Place an order",
    )  # fmt: skip
    get = Operation(
        "GET /orders/{id}", GetOrder, Order, access=Access(scopes=(ORDERS_READ,)), errors=(NotFound,),
        summary="One order",
    )  # fmt: skip
    list = Operation(
        "GET /orders", ListOrders, OrderPage, access=Access(scopes=(ORDERS_READ,)), summary="The caller's orders"
    )
    cancel = Operation(
        "POST /orders/{id}/cancel", CancelOrder, Order, idempotent=True, access=Access(scopes=(ORDERS_WRITE,)),
        errors=(NotFound, NotCancellable), summary="Cancel an order",
    )  # fmt: skip
    quote = Operation(
        "POST /quote", PlaceOrder, Quote, idempotent=True, access=Access(scopes=(ORDERS_WRITE,)),
        errors=(UnknownSku, UnsupportedCurrency, Unavailable), summary="What an order would cost",
    )  # fmt: skip
    return_order = Operation(
        "POST /orders/{id}/return", ReturnOrder, Return, idempotent=True, access=Access(scopes=(ORDERS_WRITE,)),
        errors=(NotFound, NotReturnable), http=Surface(status=202, location="/orders/{order_id}/return"),
        summary="Return an order",
    )  # fmt: skip
    get_return = Operation(
        "GET /orders/{id}/return", GetReturn, Return, access=Access(scopes=(ORDERS_READ,)), errors=(NotFound,),
        summary="How far a return is",
    )  # fmt: skip
