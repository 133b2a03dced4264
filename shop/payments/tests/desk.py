"""A payment service in memory, whose process can die before a commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from atoll.contracts import Event, NotFound, new_id
from shop_contracts import OrderId, PaymentId
from shop_payments.acquirer import MemoryVault, SimulatedAcquirer
from shop_payments.charging import Demand, cancel_charge, charge_order, refund_payment
from shop_payments.patience import InTime
from shop_payments.payment import Payment

AMOUNT = 500


class Killed(Exception):
    """The process dies just before its commit."""


@dataclass
class Desk:
    """A payment service in memory: each call is a unit of work, which is forgotten when it fails."""

    vault: MemoryVault = field(default_factory=MemoryVault)
    payments: dict[OrderId, Payment] = field(default_factory=dict)
    refunds: dict[str, int] = field(default_factory=dict)
    published: list[Event] = field(default_factory=list)
    order: OrderId = field(default_factory=lambda: new_id(OrderId))

    def __post_init__(self) -> None:
        self.provider = InTime(SimulatedAcquirer(self.vault, limit=10_000, silence=5), 0.01)

    async def charge(self, amount: int = AMOUNT, card: str = "tok_ok", *, killed: bool = False) -> Payment:
        unit = Unit(self)
        payment = await charge_order(unit, self.provider, Demand(self.order, amount, "EUR", card))
        unit.commit(killed)
        return payment

    async def cancel(self, *, killed: bool = False) -> None:
        unit = Unit(self)
        await cancel_charge(unit, self.provider, self.order)
        unit.commit(killed)

    async def refund(self, amount: int | None, key: str, *, caller: str = "till", killed: bool = False) -> Payment:
        unit = Unit(self)
        known = self.payments.get(self.order)
        payment_id = known.id if known else new_id(PaymentId)
        payment = await refund_payment(unit, self.provider, payment_id, amount, caller, key)
        unit.commit(killed)
        return payment

    @property
    def left(self) -> int:
        payment = self.payments.get(self.order)
        return payment.left if payment else 0


class Unit:
    """The `PaymentBook` of one unit of work."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._payments = dict(desk.payments)
        self._refunds = dict(desk.refunds)
        self._published: list[Event] = []

    async def claim(self, wanted: Payment) -> Payment:
        return self._payments.setdefault(wanted.order_id, wanted)

    async def claim_all(self, wanted: Sequence[Payment]) -> list[Payment]:
        return [await self.claim(one) for one in wanted]

    async def lock(self, payment_id: PaymentId) -> Payment:
        for payment in self._payments.values():
            if payment.id == payment_id:
                return payment
        raise NotFound("no such payment")

    async def refund_of(self, payment: Payment, name: str) -> int | None:
        return self._refunds.get(name)

    async def add_refund(self, payment: Payment, name: str, amount: int) -> None:
        assert name not in self._refunds
        self._refunds[name] = amount

    async def save(self, payment: Payment) -> None:
        self._payments[payment.order_id] = payment

    async def save_all(self, payments: Sequence[Payment]) -> None:
        for payment in payments:
            await self.save(payment)

    async def publish(self, event: Event) -> None:
        self._published.append(event)

    def commit(self, killed: bool) -> None:
        if killed:
            raise Killed
        self._desk.payments = self._payments
        self._desk.refunds = self._refunds
        self._desk.published += self._published
