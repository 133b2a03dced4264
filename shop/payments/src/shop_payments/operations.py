"""What others ask of the payment service: to charge an order, to show a payment, to pay back."""

from __future__ import annotations

from typing import Annotated

from atoll.data import Work
from atoll.service import Caller, Header, implements
from shop_contracts import Charge, ChargeRequest, GetPayment, Payments, RefundPayment
from shop_contracts import Payment as PaymentView
from shop_payments.book import WorkBook
from shop_payments.charging import Demand, charge_order, refund_payment
from shop_payments.provider import PaymentProvider


@implements(Payments.charge)
async def charge(request: ChargeRequest, work: Work, provider: PaymentProvider) -> Charge:
    """Charges the order once; with ``dry_run`` it only asks."""
    demand = Demand(request.order_id, request.amount, request.currency, request.card)
    if request.dry_run:
        decision = await provider.check(demand.charge())
        return Charge(
            request.order_id, request.amount, request.currency, decision.accepted, dry_run=True, reason=decision.reason
        )
    return (await charge_order(WorkBook(work), provider, demand)).charge_view()


@implements(Payments.get)
async def get_payment(query: GetPayment, work: Work) -> PaymentView:
    """One payment."""
    return (await WorkBook(work).read(query.id)).view()


@implements(Payments.refund)
async def refund(
    command: RefundPayment,
    work: Work,
    provider: PaymentProvider,
    caller: Caller,
    idempotency_key: Annotated[str, Header("idempotency-key")],
) -> PaymentView:
    """Pays back a part, or all that is left; the same key of the same caller pays back once."""
    named_by = caller.subject or f"peer:{caller.peer}"  # as the stored replies know the caller
    payment = await refund_payment(WorkBook(work), provider, command.id, command.amount, named_by, idempotency_key)
    return payment.view()
