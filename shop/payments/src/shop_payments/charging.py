"""How an order is charged exactly once, whatever is repeated, lost, late or killed.

One row a payment, unique by order: whoever claims it holds its lock until the unit of work ends, so a charge and a
cancellation of one order never run together. The provider commits by itself, before we do. When we die in between, our row is
gone and its booking stays; the repeat claims again and asks with the same key, and the provider gives the answer it gave. When
a cancellation comes in between, `void` gives the money back and lets no charge follow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from atoll.contracts import Event
from shop_contracts import CardToken, NotRefundable, OrderId, PaymentId
from shop_payments.payment import Payment
from shop_payments.provider import CardCharge, PaymentProvider

CANCELLED = "cancelled"  # names the refund of a cancelled order
About = Callable[[int], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is to be charged: minor units of ``currency`` for an order, from a card."""

    order_id: OrderId
    amount: int
    currency: str
    card: CardToken

    def charge(self) -> CardCharge:
        """As the provider wants it; the order's id is the key."""
        return CardCharge(str(self.order_id), self.amount, self.currency, self.card)


class PaymentBook(Protocol):
    """Payments in the unit of work of this request, and the events that commit with it."""

    async def claim(self, wanted: Payment) -> Payment:
        """The payment of this order, locked until the unit of work ends: the one that is there, else ``wanted``, now stored."""

    async def claim_all(self, wanted: Sequence[Payment]) -> list[Payment]:
        """The same for payments of different orders, at once."""

    async def lock(self, payment_id: PaymentId) -> Payment:
        """The payment, locked until the unit of work ends. NotFound."""

    async def refund_of(self, payment: Payment, name: str) -> int | None:
        """Minor units that the refund of this name gave back; None if there was none."""

    async def add_refund(self, payment: Payment, name: str, amount: int) -> None:
        """Notes a refund; its name is new."""

    async def save(self, payment: Payment) -> None:
        """Stores a claimed payment's new state."""

    async def save_all(self, payments: Sequence[Payment]) -> None:
        """The same for many, at once."""

    async def publish(self, event: Event) -> None:
        """Tells others, when the unit of work commits."""


async def charge_order(book: PaymentBook, provider: PaymentProvider, demand: Demand) -> Payment:
    """Charges the order, or finds what became of it before. ChargeMismatch, ProviderUnavailable."""
    payment = await book.claim(Payment.open(demand.order_id, demand.amount, demand.currency))
    match payment.state:
        case "open":
            return await _decided(book, payment.decide(await provider.charge(demand.charge())))
        case "blocked":
            return await _decided(book, payment.decline_blocked(demand.amount, demand.currency))
        case "captured" | "declined":
            payment.must_be_for(demand.amount, demand.currency)
            return payment


async def charge_orders(
    book: PaymentBook, provider: PaymentProvider, demands: Sequence[Demand], about: About = lambda _: nullcontext()
) -> None:
    """Charges many, all at the provider at the same time. If one of them fails, so does the unit of work.

    about: what is done for the demand at that place is done within this, so that it can be told whose it is.
    """
    first = {demand.order_id: at for at, demand in reversed(list(enumerate(demands)))}
    places = sorted(first.values())
    wanted = [Payment.open(demands[at].order_id, demands[at].amount, demands[at].currency) for at in places]
    claimed = dict(zip(places, await book.claim_all(wanted), strict=True))
    fresh = [at for at in places if claimed[at].state == "open"]

    async def decide(at: int) -> Payment:
        with about(at):
            payment = claimed[at].decide(await provider.charge(demands[at].charge()))
            await book.publish(payment.news())
            return payment

    decided = await asyncio.gather(
        *(decide(at) for at in fresh), return_exceptions=True
    )  # none goes on behind our back
    for outcome in decided:
        if isinstance(outcome, BaseException):
            raise outcome
    await book.save_all([payment for payment in decided if isinstance(payment, Payment)])
    for at, demand in enumerate(demands):
        if at not in fresh:  # decided or cancelled before, or asked for a second time here
            with about(at):
                await charge_order(book, provider, demand)


async def cancel_charge(book: PaymentBook, provider: PaymentProvider, order_id: OrderId) -> Payment:
    """Gives back what was captured for the order, or sees to it that it is never charged. ProviderUnavailable."""
    payment = await book.claim(Payment.open(order_id))
    if payment.state != "open" and not payment.left:
        return payment
    await provider.void(str(order_id))
    if payment.state == "open":
        blocked = payment.block()
        await book.save(blocked)
        return blocked
    # Now nothing is left at the provider, also of a refund that we gave and died before we wrote it down.
    return await _given_back(book, payment, CANCELLED, payment.left)


async def refund_payment(
    book: PaymentBook, provider: PaymentProvider, payment_id: PaymentId, amount: int | None, caller: str, key: str
) -> Payment:
    """Gives back ``amount`` minor units, or all that is left. NotFound, NotRefundable, ProviderUnavailable.

    key: this caller's name for this refund; the same name pays back once, and another caller's is another refund. It is not
    empty: nothing else tells a repeat from a second refund.
    """
    payment = await book.lock(payment_id)
    name = f"key:{quote(caller, safe='')}:{key}"  # quoted, so that no caller and key look like two others
    made = await book.refund_of(payment, name)
    if made is not None:
        _must_be(made, amount)
        return payment
    wanted = payment.left if amount is None else amount
    payment.give_back(wanted)  # refuses before the provider is asked
    await provider.refund(str(payment.order_id), f"{payment.id}:{name}", wanted)
    return await _given_back(book, payment, name, wanted)


async def _decided(book: PaymentBook, payment: Payment) -> Payment:
    await book.save(payment)
    await book.publish(payment.news())
    return payment


async def _given_back(book: PaymentBook, payment: Payment, name: str, amount: int) -> Payment:
    payment = payment.give_back(amount)
    await book.add_refund(payment, name, amount)
    await book.save(payment)
    await book.publish(payment.refund_news(amount))
    return payment


def _must_be(made: int, amount: int | None) -> None:
    if amount is not None and amount != made:
        raise NotRefundable(f"this refund was made already, of {made}, not {amount}")
