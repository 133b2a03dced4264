"""An order: what its events made of it. Its methods decide and record; those that apply an event only remember."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

import shop_contracts as contract
from atoll.contracts import Event, NotFound, new_id
from atoll.data import Aggregate, applies
from shop_contracts import (
    CardToken,
    NotCancellable,
    NotReturnable,
    OrderId,
    OrderLine,
    OrderStatus,
    PaymentId,
    Return,
    ReturnId,
    UserId,
)
from shop_orders.events import (
    OrderDeclined,
    OrderPaid,
    OrderPlaced,
    OrderWithdrawn,
    ReturnClosed,
    ReturnFailed,
    ReturnOpened,
    ReturnReceived,
)
from shop_orders.lifecycle import Fact, moves
from shop_orders.pricing import Cart

MAX_REASON = 200  # characters; what the contract allows
CANCELLED_BY_CUSTOMER = "cancelled by the customer"
NOT_PAID = "not paid in time"


def kept(reason: str) -> str:
    """A reason that others gave, as it can be kept: not too long, and without U+0000, which no text of PostgreSQL holds."""
    return reason.replace("\0", "")[:MAX_REASON]


class Order(Aggregate[OrderId], stream="order"):
    """total: minor units of ``currency``. reason: why it was declined or cancelled. returned: its return, if there is one."""

    customer: UserId = UserId("")
    status: OrderStatus = "pending"
    total: int = 0
    currency: str = ""
    lines: tuple[OrderLine, ...] = ()
    placed_at: datetime = datetime.fromtimestamp(0, UTC)
    reason: str = ""
    payment_id: PaymentId | None = None
    returned: Return | None = None

    @classmethod
    def place(cls, customer: UserId, cart: Cart, card: CardToken) -> Order:
        """A new order, waiting for its payment."""
        order = cls(new_id(OrderId))
        now = datetime.now(UTC)
        order.record(OrderPlaced(order.id, customer, cart.lines, cart.total, cart.currency, card, now))
        return order

    def pay(self, payment_id: PaymentId) -> None:
        """The money came in."""
        if moves(self.status, Fact.CAPTURED):
            self.record(OrderPaid(self.id, payment_id))

    def decline(self, reason: str) -> None:
        """The money will not come in."""
        if moves(self.status, Fact.DECLINED):
            self.record(OrderDeclined(self.id, kept(reason)))

    def expire(self) -> None:
        """The time to pay is over."""
        if moves(self.status, Fact.OVERDUE):
            self.record(OrderWithdrawn(self.id, NOT_PAID))

    def cancel(self) -> None:
        """The customer takes it back. NotCancellable if it is too late for that."""
        if self.returned is not None and self.returned.status != "failed":
            raise NotCancellable("the order is being returned")
        if moves(self.status, Fact.CANCEL):
            self.record(OrderWithdrawn(self.id, CANCELLED_BY_CUSTOMER))

    def paid_with(self) -> PaymentId:
        """The payment that a return gives back. NotReturnable unless the order is paid."""
        if self.status != "confirmed" or self.payment_id is None:
            raise NotReturnable(f"the order is {self.status}, and only one that is paid can be returned")
        return self.payment_id

    def open_return(self, return_id: ReturnId) -> None:
        """The customer wants to send the goods back. NotReturnable unless the order is paid."""
        self.paid_with()
        self.record(ReturnOpened(self.id, return_id))

    def receive_return(self) -> None:
        """The goods are back."""
        self.record(ReturnReceived(self.id))

    def close_return(self) -> None:
        """The money is back, too."""
        self.record(ReturnClosed(self.id))

    def fail_return(self, reason: str) -> None:
        """It comes to nothing."""
        self.record(ReturnFailed(self.id, kept(reason)))

    def its_return(self) -> Return:
        """The return as its customer sees it. NotFound if nobody asked for one."""
        if self.returned is None:
            raise NotFound(f"nobody has asked to return order {self.id}")
        return self.returned

    def return_is(self, status: contract.ReturnStatus) -> bool:
        """Whether its return has come this far."""
        return self.returned is not None and self.returned.status == status

    def news(self) -> list[Event]:
        """What others hear of all that was recorded, in the words of the contract."""
        return [told for event in self.recorded if (told := self._told(event)) is not None]

    def view(self) -> contract.Order:
        """The order as its customer sees it."""
        return contract.Order(self.id, self.status, self.total, self.currency, self.lines, self.placed_at, self.reason)

    def _told(self, event: Event) -> Event | None:
        match event:
            case OrderPlaced():
                return contract.OrderCreated(self.id, self.customer, self.total, self.currency, event.card)
            case OrderPaid():
                return contract.OrderConfirmed(self.id, self.customer, self.total, self.currency)
            case OrderDeclined() | OrderWithdrawn():
                return contract.OrderCancelled(self.id, self.customer, event.reason)
            case _:
                return None  # a return is nobody else's business

    @applies(OrderPlaced)
    def _placed(self, event: OrderPlaced) -> None:
        self.customer, self.lines, self.placed_at = event.customer, event.lines, event.placed_at
        self.total, self.currency = event.total, event.currency

    @applies(OrderPaid)
    def _paid(self, event: OrderPaid) -> None:
        self.status, self.payment_id = "confirmed", event.payment_id

    @applies(OrderDeclined)
    def _declined(self, event: OrderDeclined) -> None:
        self.status, self.reason = "declined", event.reason

    @applies(OrderWithdrawn)
    def _withdrawn(self, event: OrderWithdrawn) -> None:
        self.status, self.reason = "cancelled", event.reason

    @applies(ReturnOpened)
    def _return_opened(self, event: ReturnOpened) -> None:
        self.returned = Return(event.return_id, self.id, "waiting")

    @applies(ReturnReceived)
    def _return_received(self, _: ReturnReceived) -> None:
        self._set_return("received")

    @applies(ReturnClosed)
    def _return_closed(self, _: ReturnClosed) -> None:
        self._set_return("closed")

    @applies(ReturnFailed)
    def _return_failed(self, event: ReturnFailed) -> None:
        self._set_return("failed", event.reason)

    def _set_return(self, status: contract.ReturnStatus, reason: str = "") -> None:
        self.returned = msgspec.structs.replace(self.its_return(), status=status, reason=reason)
