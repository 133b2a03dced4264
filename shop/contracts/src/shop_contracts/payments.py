"""What the payment service promises: it charges an order once, whatever is repeated, and pays back.

Amounts are whole minor units (cents).
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
    Message,
    NotFound,
    Operation,
    Surface,
    Unavailable,
)
from atoll.contracts.money import MAX_MINOR_UNITS
from shop_contracts.ids import DEFAULT_CARD, DEFAULT_CURRENCY, CardToken, OrderId, PaymentId, Reason
from shop_contracts.scopes import PAYMENTS_CHARGE, PAYMENTS_READ, PAYMENTS_REFUND

PositiveAmount = Annotated[int, Meta(ge=1, le=MAX_MINOR_UNITS, description="Whole minor units (cents), more than 0")]
PaymentStatus = Literal["captured", "declined", "refunded"]
"""refunded: all of it went back; a part that went back shows in ``refunded``."""


class ChargeMismatch(Conflict, code="charge-mismatch"):
    """The order was charged already, with another amount or currency."""


class NotRefundable(Conflict, code="not-refundable"):
    """The payment was declined, or less is left than what should go back."""


class ProviderUnavailable(Unavailable, code="provider-unavailable"):
    """The card acquirer did not answer; nothing is known to be charged, and asking again is safe."""


class ChargeRequest(Input):
    """What an order costs. dry_run: only asks whether it would be accepted; nothing is stored or charged."""

    order_id: OrderId
    amount: Amount
    currency: Currency = DEFAULT_CURRENCY
    dry_run: bool = False
    card: CardToken = DEFAULT_CARD


class Charge(Message):
    """What became of it. payment_id: null for a dry run. reason: why it was not accepted."""

    order_id: OrderId
    amount: Amount
    currency: Currency
    accepted: bool
    payment_id: PaymentId | None = None
    dry_run: bool = False
    reason: Reason = ""


class Payment(Message):
    """One payment. refunded: minor units that went back. reason: why it was declined."""

    id: PaymentId
    order_id: OrderId
    amount: Amount
    currency: Currency
    status: PaymentStatus
    created_at: datetime
    refunded: Amount = 0
    reason: Reason = ""


class GetPayment(Input):
    """One payment by its id."""

    id: PaymentId


class RefundPayment(Input):
    """How much goes back; all that is left when ``amount`` is null. It needs an ``Idempotency-Key``: 422 without one."""

    id: PaymentId
    amount: PositiveAmount | None = None


class PaymentCaptured(Event, subject="payment.captured", version=1, key="order_id"):
    """The money of an order came in."""

    order_id: OrderId
    payment_id: PaymentId
    amount: Amount
    currency: Currency


class PaymentDeclined(Event, subject="payment.declined", version=1, key="order_id"):
    """The acquirer refused to charge an order; it will not be tried again."""

    order_id: OrderId
    payment_id: PaymentId
    reason: Reason


class PaymentRefunded(Event, subject="payment.refunded", version=1, key="order_id"):
    """Money of an order went back. amount: this time's."""

    order_id: OrderId
    payment_id: PaymentId
    amount: Amount
    currency: Currency


class Payments(Api):
    """Charges cards for orders. The order service may call it, and machines whose token has the scope."""

    charge = Operation(
        "POST /charge", ChargeRequest, Charge, idempotent=True, deadline=2.0,
        access=Access(scopes=(PAYMENTS_CHARGE,), trusted=("orders",)), errors=(ChargeMismatch, ProviderUnavailable),
        summary="Charge an order, once",
    )  # fmt: skip
    get = Operation(
        "GET /payments/{id}", GetPayment, Payment, access=Access(scopes=(PAYMENTS_READ,), trusted=("orders",)),
        errors=(NotFound,), summary="One payment",
    )  # fmt: skip
    refund = Operation(
        "POST /payments/{id}/refund", RefundPayment, Payment, keyed=True,
        access=Access(scopes=(PAYMENTS_REFUND,), trusted=("orders",)),
        errors=(NotFound, NotRefundable, ProviderUnavailable), http=Surface(), summary="Pay back",
    )  # fmt: skip
