"""Each order is charged once, and a cancelled one not at all, whatever is repeated, lost, late or killed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop.payments.tests.desk import AMOUNT, Desk, Killed

from atoll.contracts import Event, NotFound
from shop_contracts import (
    ChargeMismatch,
    NotRefundable,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    ProviderUnavailable,
)


def kinds(desk: Desk) -> list[type[Event]]:
    return [type(event) for event in desk.published]


async def test_a_repeat_finds_the_same_payment_and_says_nothing_new() -> None:
    desk = Desk()
    first = await desk.charge()
    assert await desk.charge() == first
    assert desk.vault.total == AMOUNT
    assert kinds(desk) == [PaymentCaptured]


async def test_the_same_order_with_another_amount_is_refused() -> None:
    desk = Desk()
    await desk.charge()
    with pytest.raises(ChargeMismatch):
        await desk.charge(AMOUNT + 1)
    assert desk.vault.total == AMOUNT


async def test_a_death_between_the_booking_and_the_commit_charges_nobody_twice() -> None:
    desk = Desk()
    with pytest.raises(Killed):
        await desk.charge(killed=True)
    assert (desk.payments, desk.vault.total) == ({}, AMOUNT)
    assert (await desk.charge()).state == "captured"
    assert desk.vault.total == AMOUNT


async def test_a_cancellation_after_such_a_death_gives_the_money_back_and_ends_the_matter() -> None:
    desk = Desk()
    with pytest.raises(Killed):
        await desk.charge(killed=True)
    await desk.cancel()
    assert desk.vault.total == 0
    assert (await desk.charge()).state == "declined"
    assert desk.vault.total == 0


async def test_a_lost_answer_is_asked_for_again_and_books_once() -> None:
    desk = Desk()
    with pytest.raises(ProviderUnavailable, match="did not answer"):
        await desk.charge(card="tok_timeout")
    assert desk.vault.total == AMOUNT
    assert (await desk.charge(card="tok_timeout")).state == "captured"
    assert desk.vault.total == AMOUNT


async def test_a_failure_of_the_provider_books_nothing_and_the_repeat_does() -> None:
    desk = Desk()
    with pytest.raises(ProviderUnavailable):
        await desk.charge(card="tok_fails_once")
    assert desk.vault.total == 0
    assert (await desk.charge(card="tok_fails_once")).state == "captured"


async def test_a_declined_card_is_declined_for_good() -> None:
    desk = Desk()
    assert (await desk.charge(card="tok_declined")).reason == "the card's bank refuses"
    assert (await desk.charge(card="tok_ok")).state == "declined"
    assert (desk.vault.total, kinds(desk)) == (0, [PaymentDeclined])


async def test_a_cancelled_order_gets_its_money_back_once() -> None:
    desk = Desk()
    payment = await desk.charge()
    await desk.cancel()
    await desk.cancel()
    assert desk.published[1:] == [PaymentRefunded(desk.order, payment.id, AMOUNT, "EUR")]
    assert desk.payments[desk.order].view().status == "refunded"


async def test_the_same_refund_key_pays_back_once_also_after_a_death() -> None:
    desk = Desk()
    await desk.charge()
    with pytest.raises(Killed):
        await desk.refund(200, "key", killed=True)
    for _ in range(2):
        assert (await desk.refund(200, "key")).refunded == 200
    with pytest.raises(NotRefundable, match="made already"):
        await desk.refund(201, "key")
    assert desk.vault.total == AMOUNT - 200


@pytest.mark.parametrize(("other", "key"), [("eve", "key"), ("till:a", "b"), ("till%3Aa", "b"), ("till", "a:b")])
async def test_refunds_of_two_callers_are_two_also_with_keys_that_look_alike(other: str, key: str) -> None:
    desk = Desk()
    await desk.charge()
    await desk.refund(100, "key", caller="till")
    await desk.refund(100, "a:b", caller="till:")
    await desk.refund(100, key, caller=other)
    assert (desk.left, desk.vault.total) == (AMOUNT - 300, AMOUNT - 300)


@pytest.mark.parametrize("amount", [0, AMOUNT + 1])
async def test_no_more_goes_back_than_came_in(amount: int) -> None:
    desk = Desk()
    await desk.charge()
    with pytest.raises(NotRefundable):
        await desk.refund(amount, "key")
    assert desk.vault.total == AMOUNT


async def test_a_blocked_payment_is_not_shown() -> None:
    desk = Desk()
    await desk.cancel()
    with pytest.raises(NotFound):
        desk.payments[desk.order].view()


cards = st.sampled_from(["tok_ok", "tok_declined", "tok_fails_once", "tok_timeout"])
calls = st.lists(
    st.tuples(st.sampled_from(["charge", "cancel", "refund"]), st.booleans(), st.sampled_from(["k1", "k2"])),
    max_size=12,
)


@given(cards, calls)
def test_the_ledger_agrees_with_the_books_after_any_history(card: str, history: list[tuple[str, bool, str]]) -> None:
    asyncio.run(_any_history(card, history))


async def _any_history(card: str, history: list[tuple[str, bool, str]]) -> None:
    desk = Desk()
    for name, killed, key in history:
        await _attempt(desk, name, card, killed, key)
    # A broker delivers until it is done: in the end each message that was sent is handled once without a death.
    for name in ("charge", "charge", "charge"):
        await _attempt(desk, name, card, False, "")
    cancelled = any(name == "cancel" for name, _, _ in history)
    if cancelled:
        await desk.cancel()
    for name, _, key in history:
        if name == "refund":
            await _attempt(desk, name, card, False, key)
    assert desk.vault.total == desk.left
    assert desk.left == 0 or not cancelled
    outcomes = [kind for kind in kinds(desk) if kind is not PaymentRefunded]
    assert len(outcomes) == 1


async def _attempt(desk: Desk, name: str, card: str, killed: bool, key: str) -> None:
    try:
        if name == "charge":
            await desk.charge(card=card, killed=killed)
        elif name == "cancel":
            await desk.cancel(killed=killed)
        else:
            await desk.refund(100, key, killed=killed)
    except (Killed, ProviderUnavailable, NotFound, NotRefundable):
        return
