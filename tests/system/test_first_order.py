"""What a customer does: a first order, a quote, a cancellation, the list of their orders."""

from __future__ import annotations

import time
import uuid

import pytest
from tests.system.calls import call
from tests.system.local_system import LocalSystem
from tests.system.postgres import rows
from tests.system.shopper import ONE, Shopper, new_shopper
from tests.system.waiting import until

pytestmark = pytest.mark.every_broker


def ledger_of(shop: LocalSystem, order_id: str) -> int:
    """Minor units that the acquirer took for the order and did not give back."""
    found = rows(
        shop,
        "payments",
        "SELECT coalesce(sum(amount), 0)::bigint AS left FROM acquirer_ledger WHERE key = $1",
        order_id,
    )
    return int(found[0]["left"])


def test_an_order_is_accepted_and_soon_confirmed(shop: LocalSystem, ada: Shopper) -> None:
    answer = ada.ask("POST", "/orders", ONE).must(201)
    order = answer.json
    assert answer.headers["location"].endswith(f"/orders/{order['id']}")
    assert (order["status"], order["total"], order["currency"]) == ("pending", 198, "EUR")
    assert order["items"] == [{"sku": "A1", "quantity": 2, "price": 99}]
    assert ada.wait_for(order["id"], "confirmed")["total"] == 198
    assert ledger_of(shop, order["id"]) == 198


def test_what_a_client_puts_into_its_trace_headers_stops_nothing(ada: Shopper) -> None:
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=\\u0000"}
    orders = [ada.ask("POST", "/orders", ONE, headers=trace).must(201).json["id"] for _ in range(10)]
    for order in orders:
        ada.wait_for(order, "confirmed")


def test_a_quote_answers_from_payments_and_charges_nothing(shop: LocalSystem, ada: Shopper) -> None:
    before = rows(shop, "payments", "SELECT count(*) AS n FROM acquirer_accounts")
    assert ada.ask("POST", "/quote", ONE).must(200).json == {"total": 198, "currency": "EUR", "accepted": True}
    refused = ada.ask("POST", "/quote", {**ONE, "card": "tok_declined"}).must(200).json
    assert refused["accepted"] is False
    assert rows(shop, "payments", "SELECT count(*) AS n FROM acquirer_accounts") == before


@pytest.mark.parametrize(("card", "status"), [("tok_declined", "declined"), ("tok_stranger", "declined")])
def test_a_card_that_is_refused_declines_the_order(shop: LocalSystem, ada: Shopper, card: str, status: str) -> None:
    order = ada.wait_for(ada.place({**ONE, "card": card})["id"], status)
    assert order["reason"].startswith("payment declined: ")
    assert ledger_of(shop, order["id"]) == 0
    ada.ask("POST", f"/orders/{order['id']}/cancel").must_be_problem(409)


@pytest.mark.parametrize("card", ["tok_fails_once", "tok_timeout"])
def test_a_card_that_fails_once_is_charged_once(shop: LocalSystem, ada: Shopper, card: str) -> None:
    order = ada.place({**ONE, "card": card})
    ada.wait_for(order["id"], "confirmed", within=45)
    assert ledger_of(shop, order["id"]) == 198


def test_a_cancelled_order_is_paid_back(shop: LocalSystem, ada: Shopper) -> None:
    order = ada.place()
    ada.wait_for(order["id"], "confirmed")
    cancelled = ada.ask("POST", f"/orders/{order['id']}/cancel").must(200).json
    assert cancelled["status"] == "cancelled"
    until(lambda: ledger_of(shop, order["id"]) == 0, within=15, what="the money is back")
    assert ada.ask("POST", f"/orders/{order['id']}/cancel").must(200).json == cancelled


def test_an_order_cancelled_at_once_ends_cancelled_and_costs_nothing(shop: LocalSystem, ada: Shopper) -> None:
    orders = [ada.place() for _ in range(10)]
    for order in orders:
        ada.ask("POST", f"/orders/{order['id']}/cancel").must(200)

    def settled() -> bool:
        found = rows(
            shop,
            "payments",
            "SELECT count(*) AS n FROM payments WHERE order_id = ANY($1) AND (state = 'declined' OR refunded = amount)",
            [uuid.UUID(order["id"]) for order in orders],
        )
        return bool(found[0]["n"] == len(orders))

    until(settled, within=20, what="each cancelled order is declined or paid back")
    assert sum(ledger_of(shop, order["id"]) for order in orders) == 0
    assert {ada.order(order["id"])["status"] for order in orders} == {"cancelled"}


def test_the_same_idempotency_key_places_one_order(ada: Shopper) -> None:
    key = str(uuid.uuid4())
    first, again = ada.place(key=key), ada.place(key=key)
    assert first["id"] == again["id"]
    other = {"items": [{"sku": "B2", "quantity": 1}]}
    ada.ask("POST", "/orders", other, headers={"idempotency-key": key}).must_be_problem(422)
    assert len([order for page in ada.pages(100) for order in page]) == 1


def test_pages_show_each_order_once_newest_first_while_new_ones_come(ada: Shopper) -> None:
    placed = [ada.place()["id"] for _ in range(7)]
    seen = []
    for page in ada.pages(3):
        seen += [order["id"] for order in page]
        ada.place()  # an order that comes in between does not shift the next page
    assert seen == list(reversed(placed))


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("cursor=broken", "cursor")],
)
def test_a_page_that_makes_no_sense_is_refused_by_name(ada: Shopper, query: str, field: str) -> None:
    answer = ada.ask("GET", f"/orders?{query}").must_be_problem(422)
    assert answer.fields == [f"query:{field}"]


def test_customers_see_only_their_own_orders(shop: LocalSystem, ada: Shopper) -> None:
    order = ada.place()
    eve = new_shopper(shop)
    eve.ask("GET", f"/orders/{order['id']}").must_be_problem(404)
    eve.ask("POST", f"/orders/{order['id']}/cancel").must_be_problem(404)
    assert [page for page in eve.pages(10) if page] == []
    call(shop.gateway, "GET", f"/orders/{order['id']}").must_be_problem(401)


def test_the_same_sku_twice_becomes_one_line(ada: Shopper) -> None:
    order = ada.place(
        {"items": [{"sku": "A1", "quantity": 1}, {"sku": "B2", "quantity": 1}, {"sku": "A1", "quantity": 2}]}
    )
    assert [(line["sku"], line["quantity"]) for line in order["items"]] == [("A1", 3), ("B2", 1)]


def test_prices_stand_in_three_currencies(ada: Shopper) -> None:
    totals = {currency: ada.place({**ONE, "currency": currency})["total"] for currency in ("EUR", "USD", "GBP")}
    assert totals == {"EUR": 198, "USD": 218, "GBP": 168}


def test_a_quote_says_in_time_that_payments_is_away(shop: LocalSystem, ada: Shopper) -> None:
    shop.must("scale", "payments=0")
    try:
        began = time.monotonic()
        ada.ask("POST", "/quote", ONE).must_be_problem(503)
        assert time.monotonic() - began < 6
        order = ada.place()  # orders are taken while payments is away
    finally:
        shop.must("scale", "payments=1")
        shop.look()
    ada.wait_for(order["id"], "confirmed", within=60)
