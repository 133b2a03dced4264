"""Somebody who never saw the system finds, from the overview and in at most four clicks, why one order in a hundred is slow."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect
from tests.system.browser.conftest import OpenView
from tests.system.calls import call
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.shopper import new_shopper
from tests.system.waiting import until

DELAY = 2.0  # seconds; far more than an order takes, even on a busy machine
MOST_ORDERS = 3_000
CUSTOMERS = 20  # in turn, so that nobody orders faster than the gateway allows


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """A shop in which nothing else was slow."""
    shop = LocalSystem(copy_of_shop(tmp_path_factory.mktemp("fresh")), dashboard=True)
    try:
        yield shop.up()
    finally:
        shop.down()


@pytest.fixture(scope="module")
def board(fresh: LocalSystem) -> str:
    return str(fresh.status["dashboard"])


def slow_orders(board: str) -> int:
    found = call(board, "GET", "/api/traces?q=orders.place&at_least=1900ms&since=15m").must(200).json["traces"]
    return len(found)


def order_until_some_are_slow(shop: LocalSystem, board: str) -> None:
    customers = [new_shopper(shop) for _ in range(CUSTOMERS)]
    for number in range(MOST_ORDERS):
        customers[number % CUSTOMERS].place()
        if number >= 100 and number % 50 == 0 and slow_orders(board) >= 2:
            return
    until(lambda: slow_orders(board) >= 2 or None, within=20.0, what="two orders were slow", pause=0.5)


def test_four_clicks_lead_from_the_overview_to_the_cause(open_view: OpenView, fresh: LocalSystem, board: str) -> None:
    fresh.must("fault", "add", "gateway->orders", "--delay", f"{DELAY:g}s", "--share", "1%", "--for", "10m")
    order_until_some_are_slow(fresh, board)
    fresh.must("fault", "clear")  # so that nothing but the telemetry can tell

    clicks = 0

    def click(what: Locator) -> None:
        nonlocal clicks
        clicks += 1
        what.click()

    view = open_view()
    view.open("overview")
    slow = view.page.get_by_role(
        "link", name=re.compile(r"1 in \d+ POST orders\.place is slow: \d\.\d+ s, where half take")
    )
    expect(slow).to_be_visible()
    assert "a fault is in force" not in view.text()
    view.picture("slow-1-overview")
    click(slow)
    first = view.page.locator("tbody tr").first
    expect(first).to_contain_text("POST orders.place")
    view.picture("slow-2-traces")
    click(first.get_by_role("link"))
    cause = view.page.get_by_label("Where the time went")
    expect(cause).to_contain_text(
        re.compile(r"(2\.\d+|1\.99) s of \d\.\d+ s is a fault that somebody ordered for gateway->orders")
    )
    expect(view.page.locator(".span-row", has_text="on purpose")).to_have_count(1)
    view.picture("slow-3-trace")
    click(view.page.get_by_role("button", name="compare with a usual one"))
    most = view.page.locator("tbody tr").first
    expect(most).to_contain_text("gateway")
    expect(most).to_contain_text(re.compile(r"\+(2\.\d+|1\.9\d) s"))
    view.picture("slow-4-compare")
    assert clicks <= 4
    view.must_be_clean()


def test_a_delay_between_two_services_is_marked_where_it_was(
    open_view: OpenView, fresh: LocalSystem, board: str
) -> None:
    fresh.must("fault", "add", "orders->payments", "--delay", "700ms", "--for", "1m")
    someone = new_shopper(fresh)
    someone.ask("POST", "/quote", {"items": [{"sku": "B2", "quantity": 1}], "currency": "EUR"}).must(200)
    fresh.must("fault", "clear")

    def found() -> str | None:
        traces = call(board, "GET", "/api/traces?q=orders.quote&at_least=700ms").must(200).json["traces"]
        whole = [
            one["trace"]
            for one in traces
            if {"gateway", "orders", "payments"} <= {s["service"] for s in one["services"]}
        ]
        return whole[0] if whole else None

    trace = until(found, within=30.0, pause=0.2, what="the quote's trace is there")
    view = open_view()
    view.open(f"traces/{trace}")
    expect(view.page.get_by_label("Where the time went")).to_contain_text(
        "a fault that somebody ordered for orders->payments"
    )
    expect(view.page.locator(".span-row", has_text="delay on purpose")).to_contain_text("on purpose")
