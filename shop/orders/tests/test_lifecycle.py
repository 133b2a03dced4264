"""The table of an order's life, and what no sequence of facts can do to an order."""

from __future__ import annotations

from typing import get_args
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.contracts import Event, new_id
from shop_contracts import (
    DEFAULT_CARD,
    NotCancellable,
    NotReturnable,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderLine,
    OrderStatus,
    PaymentId,
    ReturnId,
    UserId,
)
from shop_orders.lifecycle import MOVES, Fact, moves
from shop_orders.order import MAX_REASON, Order
from shop_orders.pricing import Cart

STATUSES: tuple[OrderStatus, ...] = get_args(OrderStatus)
FACTS = st.lists(st.sampled_from(Fact), max_size=12)
PAYMENT = PaymentId(uuid4())


def placed() -> Order:
    return Order.place(UserId("ada"), Cart((OrderLine("A1", 2, 99),), 198, "EUR"), DEFAULT_CARD)


def paid() -> Order:
    order = placed()
    order.pay(PAYMENT)
    return order


def take(order: Order, fact: Fact) -> None:
    match fact:
        case Fact.CAPTURED:
            order.pay(PAYMENT)
        case Fact.DECLINED:
            order.decline("because")
        case Fact.OVERDUE:
            order.expire()
        case Fact.CANCEL:
            order.cancel()


def live(facts: list[Fact]) -> tuple[Order, list[Event]]:
    """The order after the facts, and what was published after it was created."""
    order = placed()
    for fact in facts:
        try:
            take(order, fact)
        except NotCancellable:
            continue
    created, *published = order.news()
    assert isinstance(created, OrderCreated)
    return order, published


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("fact", Fact)
def test_each_cell_of_the_table_moves_stays_or_refuses(status: OrderStatus, fact: Fact) -> None:
    if (status, fact) == ("declined", Fact.CANCEL):
        with pytest.raises(NotCancellable, match=status):
            moves(status, fact)
    else:
        assert moves(status, fact) == ((status, fact) in MOVES)


@given(FACTS)
def test_an_order_that_heard_of_its_payment_never_waits_any_more(facts: list[Fact]) -> None:
    order, _ = live(facts)
    assert (order.status == "pending") == (not facts)


@given(FACTS)
def test_the_first_fact_decides_and_only_a_confirmed_order_is_ever_taken_back(facts: list[Fact]) -> None:
    order, _ = live(facts)
    first = {
        Fact.CAPTURED: "confirmed", Fact.DECLINED: "declined", Fact.OVERDUE: "cancelled", Fact.CANCEL: "cancelled",
    }  # fmt: skip
    expected = first[facts[0]] if facts else "pending"
    if expected == "confirmed" and Fact.CANCEL in facts:
        expected = "cancelled"
    assert order.status == expected


@given(FACTS, st.data())
def test_facts_of_the_broker_that_come_again_change_nothing(facts: list[Fact], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(facts)))
    again = [fact for fact in facts[:at] if fact is not Fact.CANCEL]
    once, heard_once = live(facts)
    twice, heard_twice = live([*facts[:at], *again, *facts[at:]])
    assert twice.status == once.status or not again
    if Fact.CANCEL not in facts[:at]:
        assert [type(event) for event in heard_twice] == [type(event) for event in heard_once]


@given(FACTS)
def test_cancelling_again_finds_it_done_and_says_nothing_new(facts: list[Fact]) -> None:
    order, heard = live([*facts, Fact.CANCEL])
    again, heard_again = live([*facts, Fact.CANCEL, Fact.CANCEL])
    assert (again.status, again.reason, len(heard_again)) == (order.status, order.reason, len(heard))


@given(FACTS)
def test_others_hear_of_each_end_once_and_of_the_last_one_last(facts: list[Fact]) -> None:
    order, published = live(facts)
    kinds = [type(event) for event in published]
    assert len(kinds) == len(set(kinds))
    match order.status:
        case "pending":
            assert kinds == []
        case "confirmed":
            assert kinds == [OrderConfirmed]
        case _:
            assert kinds[-1] is OrderCancelled


def test_a_reason_that_is_too_long_for_the_contract_is_cut() -> None:
    order = placed()
    order.decline("x" * 1000)
    assert len(order.reason) == MAX_REASON


@pytest.mark.parametrize("fact", [Fact.DECLINED, Fact.OVERDUE, Fact.CANCEL, None])
def test_only_what_is_paid_can_be_returned(fact: Fact | None) -> None:
    order, _ = live([] if fact is None else [fact])
    with pytest.raises(NotReturnable):
        order.open_return(new_id(ReturnId))


def test_what_is_being_returned_cannot_be_cancelled_until_the_return_fails() -> None:
    order = paid()
    order.open_return(new_id(ReturnId))
    with pytest.raises(NotCancellable):
        order.cancel()
    order.fail_return("no parcel")
    order.cancel()
    assert order.status == "cancelled"


def test_a_return_is_nobody_elses_business() -> None:
    order = paid()
    order.open_return(new_id(ReturnId))
    order.receive_return()
    order.close_return()
    assert [type(event) for event in order.news()] == [OrderCreated, OrderConfirmed]
    assert order.its_return().status == "closed"
