"""The payment service itself, called as the order service calls it."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.system.calls import Answer, call
from tests.system.local_system import LocalSystem
from tests.system.postgres import rows

pytestmark = pytest.mark.every_broker


class Till:
    """Payments, asked by its trusted peer."""

    def __init__(self, shop: LocalSystem) -> None:
        self._base = shop.url("payments")
        self._peer = shop.peer_header("orders", "payments")

    def ask(self, method: str, path: str, body: object = None, key: str = "") -> Answer:
        headers = {**self._peer, "idempotency-key": key} if key else self._peer
        return call(self._base, method, path, body, headers=headers)

    def charge(self, order: str, amount: int = 500, **more: object) -> Answer:
        return self.ask("POST", "/charge", {"order_id": order, "amount": amount, "currency": "EUR", **more})


@pytest.fixture
def till(shop: LocalSystem) -> Till:
    return Till(shop)


@pytest.fixture
def order() -> str:
    return str(uuid.uuid4())


def taken(shop: LocalSystem, order: str) -> list[int]:
    found = rows(shop, "payments", "SELECT amount FROM acquirer_ledger WHERE key = $1 ORDER BY booked_at", order)
    return [row["amount"] for row in found]


def test_an_order_is_charged_once_however_often_it_is_asked(shop: LocalSystem, till: Till, order: str) -> None:
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda _: till.charge(order).must(200).json, range(8)))
    assert len({answer["payment_id"] for answer in answers}) == 1
    assert taken(shop, order) == [500]


def test_another_amount_for_the_same_order_is_a_conflict(shop: LocalSystem, till: Till, order: str) -> None:
    till.charge(order).must(200)
    till.charge(order, 501).must_be_problem(409)
    assert taken(shop, order) == [500]


def test_a_dry_run_leaves_no_trace(shop: LocalSystem, till: Till, order: str) -> None:
    answer = till.charge(order, dry_run=True).must(200).json
    assert (answer["accepted"], answer.get("payment_id")) == (True, None)
    assert taken(shop, order) == []


def test_a_provider_that_does_not_answer_is_503_in_time_and_the_repeat_charges_once(
    shop: LocalSystem, till: Till, order: str
) -> None:
    till.charge(order, card="tok_timeout").must_be_problem(503)
    assert till.charge(order, card="tok_timeout").must(200).json["accepted"]
    assert taken(shop, order) == [500]


def test_no_more_goes_back_than_was_captured_and_each_refund_once(shop: LocalSystem, till: Till, order: str) -> None:
    payment = till.charge(order).must(200).json["payment_id"]
    path = f"/payments/{payment}/refund"
    first = till.ask("POST", path, {"amount": 200}, key="one").must(200).json
    assert till.ask("POST", path, {"amount": 200}, key="one").must(200).json == first
    till.ask("POST", path, {"amount": 301}, key="two").must_be_problem(409)
    whole = till.ask("POST", path, {}, key="three").must(200).json
    assert (whole["refunded"], whole["status"]) == (500, "refunded")
    assert taken(shop, order) == [500, -200, -300]
    assert till.ask("GET", f"/payments/{payment}").must(200).json == whole


def test_an_unknown_payment_is_not_found(till: Till) -> None:
    till.ask("GET", f"/payments/{uuid.uuid4()}").must_be_problem(404)
    till.ask("POST", f"/payments/{uuid.uuid4()}/refund", {}, key="x").must_be_problem(404)
