"""The acquirer's own rules: one decision a key, entries that are booked once, nothing given back that was not taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_contracts import ChargeMismatch, NotRefundable
from shop_payments.acquirer import MemoryVault, SimulatedAcquirer
from shop_payments.acquirer.account import Account
from shop_payments.provider import CardCharge, Decision

LIMIT = 10_000
KEY = "order-1"

amounts = st.integers(1, 200)
steps = st.one_of(
    st.tuples(st.just("charge"), st.sampled_from(["tok_ok", "tok_declined", "tok_fails_once", "tok_timeout"])),
    st.tuples(st.just("refund"), st.tuples(st.sampled_from(["r1", "r2", "r3"]), amounts)),
    st.tuples(st.just("void"), st.none()),
)


def bill(card: str = "tok_ok", amount: int = 100) -> CardCharge:
    return CardCharge(KEY, amount, "EUR", card)


@given(st.lists(steps, max_size=20))
def test_no_sequence_of_calls_takes_twice_or_gives_back_more_than_was_taken(calls: list[tuple[str, object]]) -> None:
    account = Account(KEY)
    voided = False
    for name, argument in calls:
        try:
            match name, argument:
                case "charge", str(card):
                    account = account.charge(bill(card), LIMIT)
                case "refund", (str(key), int(amount)):
                    account = account.refund(key, amount)
                case _:
                    account, voided = account.void(), True
        except NotRefundable:
            continue
        taken = sum(amount for amount in account.entries.values() if amount > 0)
        assert taken in (0, 100)
        assert 0 <= account.left <= taken
        if voided:
            assert account.left == 0


def test_the_same_refund_again_changes_nothing_and_another_amount_is_refused() -> None:
    account = Account(KEY).charge(bill(), LIMIT).refund("r", 30)
    assert account.refund("r", 30) is account
    with pytest.raises(NotRefundable, match="made already"):
        account.refund("r", 31)


def test_one_key_stands_for_one_amount() -> None:
    account = Account(KEY).charge(bill(), LIMIT)
    with pytest.raises(ChargeMismatch):
        account.charge(bill(amount=101), LIMIT)


def test_a_void_before_the_charge_declines_it() -> None:
    account = Account(KEY).void().charge(bill(), LIMIT)
    assert (account.state, account.left) == ("void", 0)
    assert account.reason


@pytest.mark.parametrize(
    ("card", "amount", "accepted", "reason"),
    [
        ("tok_ok", LIMIT, True, ""),
        ("tok_ok", LIMIT + 1, False, "over the card's limit"),
        ("tok_declined", 1, False, "the card's bank refuses"),
        ("tok_insufficient_funds", 1, False, "not enough money on the card"),
        ("tok_stranger", 1, False, "no such card"),
        ("tok_timeout", 1, True, ""),
        ("tok_fails_once", 1, True, ""),
    ],
)
async def test_a_check_says_what_a_charge_would_and_stores_nothing(
    card: str, amount: int, accepted: bool, reason: str
) -> None:
    vault = MemoryVault()
    acquirer = SimulatedAcquirer(vault, limit=LIMIT, silence=0)
    assert await acquirer.check(bill(card, amount)) == Decision(accepted, reason)
    assert vault.accounts == {}
