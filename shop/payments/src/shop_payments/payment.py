"""A payment: the one matter between an order and the card acquirer. Immutable: each change makes a new one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

import shop_contracts as contract
from atoll.contracts import Event, NotFound, new_id
from shop_contracts import ChargeMismatch, NotRefundable, OrderId, PaymentId
from shop_payments.provider import Decision

State = Literal["open", "blocked", "captured", "declined"]
"""open: claimed, not decided yet; never seen outside the unit of work that decides it. blocked: the order was cancelled before
it was charged; it never will be."""

CANCELLED_FIRST = "the order was cancelled before it was charged"
MAX_REASON = 200  # characters; what the contract allows


class Payment(Struct, frozen=True):
    """amount, refunded: minor units of ``currency``. A blocked payment knows neither amount nor currency: 0 and ""."""

    id: PaymentId
    order_id: OrderId
    amount: int
    currency: str
    created_at: datetime
    state: State = "open"
    refunded: int = 0
    reason: str = ""

    @classmethod
    def open(cls, order_id: OrderId, amount: int = 0, currency: str = "") -> Payment:
        """A payment that is still to be decided."""
        return cls(new_id(PaymentId), order_id, amount, currency, created_at=datetime.now(UTC))

    @property
    def left(self) -> int:
        """Minor units that can still go back."""
        return self.amount - self.refunded if self.state == "captured" else 0

    def decide(self, decision: Decision) -> Payment:
        """Captured or declined, as the provider says."""
        if decision.accepted:
            return replace(self, state="captured")
        return replace(self, state="declined", reason=decision.reason[:MAX_REASON])

    def block(self) -> Payment:
        """Never to be charged."""
        return replace(self, state="blocked", reason=CANCELLED_FIRST)

    def decline_blocked(self, amount: int, currency: str) -> Payment:
        """A blocked payment, once it is known what would have been charged."""
        return replace(self, state="declined", amount=amount, currency=currency)

    def give_back(self, amount: int) -> Payment:
        """With ``amount`` more refunded. NotRefundable if less is left."""
        if not 0 < amount <= self.left:
            raise NotRefundable(f"{self.left} {self.currency} of payment {self.id} are left to refund, not {amount}")
        return replace(self, refunded=self.refunded + amount)

    def must_be_for(self, amount: int, currency: str) -> None:
        """ChargeMismatch unless this payment is about the same money."""
        if (self.amount, self.currency) != (amount, currency):
            raise ChargeMismatch(f"order {self.order_id} was charged already, with {self.amount} {self.currency}")

    def news(self) -> Event:
        """What others hear when it is decided."""
        if self.state == "captured":
            return contract.PaymentCaptured(self.order_id, self.id, self.amount, self.currency)
        return contract.PaymentDeclined(self.order_id, self.id, self.reason)

    def refund_news(self, amount: int) -> Event:
        """What others hear when minor units went back."""
        return contract.PaymentRefunded(self.order_id, self.id, amount, self.currency)

    def charge_view(self) -> contract.Charge:
        """What became of the charge."""
        return contract.Charge(
            self.order_id, self.amount, self.currency, self.state == "captured", payment_id=self.id, reason=self.reason
        )

    def view(self) -> contract.Payment:
        """The payment as others may see it. NotFound while it has no amount: nothing was ever asked for."""
        if self.state not in ("captured", "declined"):
            raise NotFound(f"there is no payment {self.id}")
        back = self.state == "captured" and self.amount > 0 and self.refunded == self.amount
        status: contract.PaymentStatus = "refunded" if back else self.state
        return contract.Payment(
            self.id, self.order_id, self.amount, self.currency, status, self.created_at, self.refunded, self.reason
        )
