"""An order, from the moment it is placed. Immutable: each fact makes a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import shop_contracts as contract
from atoll.contracts import Event, new_id
from shop_contracts import OrderId, OrderLine, OrderStatus, UserId
from shop_orders.lifecycle import Fact, after
from shop_orders.pricing import Cart

MAX_REASON = 200  # characters; what the contract allows


@dataclass(frozen=True, slots=True)
class Order:
    """total: minor units of ``currency``. reason: why it was declined or cancelled, else empty."""

    id: OrderId
    customer: UserId
    status: OrderStatus
    total: int
    currency: str
    lines: tuple[OrderLine, ...]
    created_at: datetime
    reason: str = ""

    @classmethod
    def place(cls, customer: UserId, cart: Cart) -> Order:
        """A new order, waiting for its payment."""
        return cls(
            new_id(OrderId), customer, "pending", cart.total, cart.currency, cart.lines, created_at=datetime.now(UTC)
        )

    def take(self, fact: Fact, reason: str = "") -> Order:
        """The order after the fact; itself if nothing changed. NotCancellable if the customer cancels too late."""
        status = after(self.status, fact)
        if status == self.status:
            return self
        return replace(self, status=status, reason=reason[:MAX_REASON])

    def news(self) -> Event | None:
        """What others hear of the status that the order has come to; None while it waits."""
        match self.status:
            case "confirmed":
                return contract.OrderConfirmed(self.id, self.customer, self.total, self.currency)
            case "declined" | "cancelled":
                return contract.OrderCancelled(self.id, self.customer, self.reason)
            case "pending":
                return None

    def view(self) -> contract.Order:
        """The order as its customer sees it."""
        return contract.Order(self.id, self.status, self.total, self.currency, self.lines, self.created_at, self.reason)
