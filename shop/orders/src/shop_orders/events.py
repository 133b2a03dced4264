"""What happens to an order, as the order service remembers it: the stored events, from which every order is made.

They are this service's own. What others hear is another matter, and stands in the contract: see `Order.news`.
"""

from __future__ import annotations

from datetime import datetime

from atoll.contracts import Event
from shop_contracts import CardToken, OrderId, OrderLine, PaymentId, ReturnId, UserId


class OrderPlaced(Event, subject="order.placed", version=1, key="order_id"):
    """A customer ordered. total: minor units of ``currency``. card: the one to be charged."""

    order_id: OrderId
    customer: UserId
    lines: tuple[OrderLine, ...]
    total: int
    currency: str
    card: CardToken
    placed_at: datetime


class OrderPaid(Event, subject="order.paid", version=1, key="order_id"):
    """The money came in. payment_id: null for orders from before payments were remembered."""

    order_id: OrderId
    payment_id: PaymentId | None


class OrderDeclined(Event, subject="order.declined", version=1, key="order_id"):
    """The money will not come in."""

    order_id: OrderId
    reason: str


class OrderWithdrawn(Event, subject="order.withdrawn", version=1, key="order_id"):
    """The customer took the order back, or did not pay in time."""

    order_id: OrderId
    reason: str


class ReturnOpened(Event, subject="return.opened", version=1, key="order_id"):
    """The customer wants to send the goods back."""

    order_id: OrderId
    return_id: ReturnId


class ReturnReceived(Event, subject="return.received", version=1, key="order_id"):
    """The goods are back."""

    order_id: OrderId


class ReturnClosed(Event, subject="return.closed", version=1, key="order_id"):
    """The money is back with the customer, and the goods on the shelf."""

    order_id: OrderId


class ReturnFailed(Event, subject="return.failed", version=1, key="order_id"):
    """The customer keeps the goods, and we the money."""

    order_id: OrderId
    reason: str
