"""The rules of orders and payments together, without any process: whatever the broker does, the sums agree in the end.

Messages arrive late, twice, in any order; the payment service dies just before a commit; the customer cancels at any moment, and
the time to pay ends at any moment.
"""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from shop.payments.tests.desk import Desk, Killed

from atoll.contracts import Event
from shop_contracts import (
    NotCancellable,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderLine,
    PaymentCaptured,
    PaymentDeclined,
    ProviderUnavailable,
    UserId,
)
from shop_orders.order import Order
from shop_orders.pricing import Cart

ATTEMPTS = 3  # what every card of this test needs at the most

# At each step: which of the messages in flight comes next, whether it stays in flight to come again, whether payments dies of it,
# and whether the customer cancels before it, or the time to pay is over.
steps = st.lists(st.tuples(st.integers(0, 100), st.booleans(), st.booleans(), st.integers(0, 5)), max_size=25)
cards = st.sampled_from(["tok_ok", "tok_declined", "tok_fails_once", "tok_timeout"])


class World:
    """One order, one payment service, and the messages between them."""

    def __init__(self, card: str) -> None:
        self.order = Order.place(UserId("ada"), Cart((OrderLine("A1", 2, 99),), 198, "EUR"), card)
        self.desk = Desk(order=self.order.id)
        self.card = card
        self.flying: list[Event] = []
        self.taken_back = False
        self.save()

    def save(self) -> None:
        """What a unit of work does: stores what was recorded, and tells others."""
        self.flying += self.order.news()
        self.order.saved(self.order.version + len(self.order.recorded))

    def cancel(self) -> None:
        try:
            self.order.cancel()
        except NotCancellable:
            return
        self.taken_back = True
        self.save()

    def expire(self) -> None:
        self.taken_back = self.taken_back or self.order.status == "pending"
        self.order.expire()
        self.save()

    async def deliver(self, event: Event, *, killed: bool) -> bool:
        """Whether it was handled."""
        said = len(self.desk.published)
        try:
            match event:
                case OrderCreated():
                    await self.desk.charge(event.total, self.card, killed=killed)
                case OrderCancelled():
                    await self.desk.cancel(killed=killed)
                case PaymentCaptured():
                    self.order.pay(event.payment_id)
                case PaymentDeclined():
                    self.order.decline(event.reason)
                case _:
                    pass
        except (Killed, ProviderUnavailable):
            return False
        self.save()
        self.flying += self.desk.published[said:]
        return True

    async def settle(self) -> None:
        """The broker delivers until nothing is left, and nobody dies any more."""
        attempts = 0
        while self.flying:
            if await self.deliver(self.flying[0], killed=False):
                self.flying.pop(0)
                attempts = 0
            attempts += 1
            assert attempts <= ATTEMPTS


async def history(card: str, moves: list[tuple[int, bool, bool, int]]) -> World:
    world = World(card)
    for which, again, killed, whim in moves:
        if whim == 0:
            world.cancel()
        if whim == 1:
            world.expire()
        if world.flying:
            at = which % len(world.flying)
            if await world.deliver(world.flying[at], killed=killed) and not again:
                world.flying.pop(at)
    await world.settle()
    return world


@settings(max_examples=300, deadline=None)
@given(cards, steps)
def test_every_order_ends_and_the_ledger_has_the_sum_of_the_confirmed_ones(
    card: str, moves: list[tuple[int, bool, bool, int]]
) -> None:
    world = asyncio.run(history(card, moves))
    status = world.order.status
    assert status in ("confirmed", "declined", "cancelled")
    assert (status == "cancelled") == world.taken_back
    if not world.taken_back:
        assert status == ("declined" if card == "tok_declined" else "confirmed")
    assert world.desk.vault.total == world.desk.left == (198 if status == "confirmed" else 0)
    answers = [event for event in world.desk.published if isinstance(event, PaymentCaptured | PaymentDeclined)]
    assert len(answers) == 1
    assert not [event for event in world.flying if isinstance(event, OrderConfirmed)]
