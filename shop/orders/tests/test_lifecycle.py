"""The table of an order's life, and what no sequence of facts can do to an order."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.contracts import Event
from shop_contracts import NotCancellable, OrderCancelled, OrderConfirmed, OrderLine, OrderStatus, UserId
from shop_orders.lifecycle import MOVES, Fact, after
from shop_orders.order import MAX_REASON, Order
from shop_orders.pricing import Cart

STATUSES: tuple[OrderStatus, ...] = get_args(OrderStatus)
FACTS = st.lists(st.sampled_from(Fact), max_size=12)


def placed() -> Order:
    return Order.place(UserId("ada"), Cart((OrderLine("A1", 2, 99),), 198, "EUR"))


def live(facts: list[Fact]) -> tuple[Order, list[Event]]:
    """The order after the facts, and what was published, by the rule of the handlers: news only when something changed."""
    order, published = placed(), list[Event]()
    for fact in facts:
        try:
            changed = order.take(fact, "because")
        except NotCancellable:
            continue
        news = changed.news()
        if changed is not order and news is not None:
            published.append(news)
        order = changed
    return order, published


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("fact", Fact)
def test_each_cell_of_the_table_moves_stays_or_refuses(status: OrderStatus, fact: Fact) -> None:
    if (status, fact) in MOVES:
        assert after(status, fact) == MOVES[status, fact]
    elif (status, fact) == ("declined", Fact.CANCEL):
        with pytest.raises(NotCancellable, match=status):
            after(status, fact)
    else:
        assert after(status, fact) == status


@given(FACTS)
def test_an_order_that_heard_of_its_payment_never_waits_any_more(facts: list[Fact]) -> None:
    order, _ = live(facts)
    heard = {Fact.CAPTURED, Fact.DECLINED}.intersection(facts)
    assert (order.status == "pending") == (not heard and Fact.CANCEL not in facts)


@given(FACTS)
def test_the_first_fact_decides_and_only_a_confirmed_order_is_ever_taken_back(facts: list[Fact]) -> None:
    order, _ = live(facts)
    first = {Fact.CAPTURED: "confirmed", Fact.DECLINED: "declined", Fact.CANCEL: "cancelled"}
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
    if order.status == "cancelled":
        assert order.take(Fact.CANCEL, "another reason") is order


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
    assert len(placed().take(Fact.DECLINED, "x" * 1000).reason) == MAX_REASON
