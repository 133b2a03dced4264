"""The life of an order: which fact moves it from which status to which. The whole of the rule is the table below.

            payment captured   payment declined   not paid in time   customer cancels
pending     confirmed          declined           cancelled          cancelled
confirmed   -                  -                  -                  cancelled
declined    -                  -                  -                  refused
cancelled   -                  -                  -                  -

A dash: nothing changes. A customer who cancels again, perhaps because the first answer was lost, finds it done. Facts from the
broker come late, twice and in any order, so none of them is ever an error here: the first one decides. In particular a capture
that comes after the order was cancelled changes nothing; the payment service hears of the cancellation too, and pays back.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from shop_contracts import NotCancellable, OrderStatus


class Fact(Enum):
    """What can happen to an order after it was placed."""

    CAPTURED = "payment captured"
    DECLINED = "payment declined"
    OVERDUE = "not paid in time"
    CANCEL = "customer cancels"


MOVES: Final[Mapping[tuple[OrderStatus, Fact], OrderStatus]] = {
    ("pending", Fact.CAPTURED): "confirmed",
    ("pending", Fact.DECLINED): "declined",
    ("pending", Fact.OVERDUE): "cancelled",
    ("pending", Fact.CANCEL): "cancelled",
    ("confirmed", Fact.CANCEL): "cancelled",
}


def moves(status: OrderStatus, fact: Fact) -> bool:
    """Whether the fact changes anything. NotCancellable if the customer asks too late."""
    if fact is Fact.CANCEL and status == "declined":
        raise NotCancellable(f"the order is {status} already")
    return (status, fact) in MOVES
