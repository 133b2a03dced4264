"""Every view of the dashboard in a real browser: it loads, fits, can be read, is reached by its address and by the keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.system.browser.conftest import OpenView
from tests.system.browser.view import View
from tests.system.local_system import LocalSystem
from tests.system.shopper import Shopper

HISTOGRAM = "http_server_request_duration_seconds"
# A view's address, and what it shows when it has what it asked for.
VIEWS = {
    "overview": ("overview", "The gateway is at"),
    "map": ("map", "Edges"),
    "traces": ("traces", "POST orders.place"),
    "trace": ("traces/{trace}", "Where the time went"),
    "compare": ("traces/{trace}/compare/{trace}", "Compare two traces"),
    "logs": ("logs", "POST /orders"),
    "metrics": ("metrics", HISTOGRAM),
    "metric": (f"metrics/{HISTOGRAM}", "a line for each"),
    "events": ("events", "order.created"),
    "subjects": ("events/subjects", "payment.captured"),
    "outbox": ("events/outbox", "oldest waits"),
    "dead letters": ("events/dead", "No dead letters"),
    "sagas": ("sagas", "No saga fits"),
    "projections": ("sagas/projections", "order-list"),
    "api": ("api/orders/POST%20%2Forders", "Place an order"),
    "data": ("data/orders/public/orders", "confirmed"),
    "rollouts": ("rollouts", "Rollouts"),
    "resilience": ("resilience/orders", "offers orders.place"),
}


def show(view: View, name: str, trace: str) -> None:
    address, shown = VIEWS[name]
    view.open(address.format(trace=trace))
    expect(view.page.locator("main")).to_contain_text(shown)
    view.settle()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_every_view_loads_fits_and_can_be_read(open_view: OpenView, order_trace: str, width: int, scheme: str) -> None:
    view = open_view(width, scheme)
    for name in VIEWS:
        show(view, name, order_trace)
        view.picture(name.replace(" ", "-"))
        assert view.too_wide() <= 0, name
        assert view.faint() == [], name
    view.must_be_clean()


@pytest.mark.parametrize("width", [1280, 1000, 400])
def test_the_figures_of_a_service_stay_in_its_card(open_view: OpenView, width: int) -> None:
    view = open_view(width)
    view.open("overview")
    view.page.locator(".figure").first.wait_for()
    # As wide as they get: three digits, a point and a unit.
    view.page.evaluate(
        "() => document.querySelectorAll('.figure b').forEach((one) => { one.textContent = '88.8 ms'; })"
    )
    wide = "() => [...document.querySelectorAll('.figures')].filter((one) => one.scrollWidth > one.clientWidth).length"
    assert view.page.evaluate(wide) == 0


def test_rows_and_bytes_of_a_table_are_no_single_number(open_view: OpenView, order_trace: str) -> None:
    view = open_view()
    show(view, "data", order_trace)
    listed = view.page.locator("small.num")
    listed.first.wait_for()  # the page's heading comes before what the databases say of their tables
    sizes = listed.all_inner_texts()
    assert all(re.fullmatch(r"(~[\d.,]+ ?[kM]? rows?, )?[\d.]+ [kMG]?B", one) for one in sizes), sizes


def test_a_bar_and_what_is_written_in_it_can_be_told_apart(open_view: OpenView, order_trace: str) -> None:
    """The services' colours bear text, and are text in the logs."""
    for scheme in ("light", "dark"):
        view = open_view(1280, scheme)
        show(view, "overview", order_trace)
        view.page.evaluate(
            """() => { for (let hue = 0; hue < 10; hue++) {
                const one = Object.assign(document.createElement("p"), { className: `hue-${hue}`, textContent: `hue ${hue}` });
                document.querySelector(".card").append(one);
            } }"""
        )
        assert [one for one in view.faint() if one["text"].startswith("hue")] == []


def test_an_address_leads_to_the_same_view_in_another_tab(open_view: OpenView, order_trace: str) -> None:
    first, second = open_view(), open_view()
    for name in VIEWS:
        show(first, name, order_trace)
        second.page.goto("about:blank")
        second.page.goto(first.page.url)
        expect(second.page.locator("main")).to_contain_text(VIEWS[name][1])
        assert second.page.locator("h1").inner_text() == first.page.locator("h1").inner_text()


def test_filters_are_in_the_address(open_view: OpenView, order_trace: str) -> None:
    view = open_view()
    show(view, "traces", order_trace)
    view.page.get_by_label("name or trace id").fill("orders.place")
    view.page.get_by_role("combobox", name="order").select_option("slowest")
    view.page.wait_for_url(lambda url: "q=orders.place" in url and "order=slowest" in url)
    again = open_view()
    again.page.goto(view.page.url)
    again.settle()
    expect(again.page.get_by_label("name or trace id")).to_have_value("orders.place")
    expect(again.page.locator("tbody tr").first).to_contain_text("POST orders.place")


def test_one_order_is_one_tree(open_view: OpenView, order_trace: str) -> None:
    view = open_view()
    view.page.set_viewport_size({"width": 1280, "height": 2000})  # the page draws what is seen
    show(view, "trace", order_trace)
    expect(view.page.get_by_role("treeitem", name="send order.confirmed")).to_be_visible()
    rows = view.page.get_by_role("treeitem")
    seen = [
        (int(row.get_attribute("aria-level") or 0), row.locator(".name").inner_text().strip()) for row in rows.all()
    ]
    assert [name for level, name in seen if level == 1] == [f"▾\n{'POST orders.place'}"]
    above: dict[int, str] = {}
    way: dict[str, list[str]] = {}
    for level, text in seen:
        name = text.rpartition("\n")[2]
        above[level] = name
        way.setdefault(name, [above[at] for at in range(1, level + 1)])
    assert way["send order.confirmed"] == [
        "POST orders.place", "POST /orders", "create order.created", "process order.created",
        "create payment.captured", "process payment.captured", "create order.confirmed", "send order.confirmed",
    ]  # fmt: skip
    assert way["INSERT atoll.outbox"][:2] == ["POST orders.place", "POST /orders"]
    assert "INSERT acquirer_ledger" in way
    assert "without their parent" not in view.text()
    expect(view.page.get_by_text("201 POST /orders")).to_be_visible()
    view.must_be_clean()


def test_the_keys_alone_lead_everywhere(open_view: OpenView, order_trace: str) -> None:
    view = open_view()
    show(view, "overview", order_trace)
    keys = view.page.keyboard
    keys.press("Tab")
    expect(view.page.locator(".skip")).to_be_focused()
    keys.press("Enter")
    expect(view.page.locator("#main")).to_be_focused()
    keys.press("?")
    expect(view.page.get_by_role("dialog")).to_contain_text("search on this page")
    keys.press("Escape")
    expect(view.page.get_by_role("dialog")).to_have_count(0)
    keys.press("g")
    keys.press("t")
    expect(view.page.locator("h1")).to_have_text("Traces")
    view.settle()
    keys.press("/")
    keys.type("orders.place")
    view.page.wait_for_url("**/*q=orders.place*")
    view.page.evaluate("document.activeElement.blur()")
    expect(view.page.locator("tbody tr").first).to_contain_text("POST orders.place")
    keys.press("j")
    expect(view.page.locator("tbody tr").first).to_be_focused()
    keys.press("Enter")
    expect(view.page.get_by_role("tree")).to_be_visible()
    view.page.get_by_role("tree").focus()
    keys.press("ArrowDown")
    view.page.wait_for_url("**/*span=*")
    expect(view.page.locator(".span-row.chosen")).to_have_count(1)
    view.must_be_clean()


def test_what_happens_is_seen_without_a_reload(open_view: OpenView, order_trace: str, customer: Shopper) -> None:
    traces, logs = open_view(), open_view()
    show(traces, "traces", order_trace)
    show(logs, "logs", order_trace)
    for view in (traces, logs):
        view.page.evaluate("window.neverReloaded = true")
    order = customer.place()["id"]
    customer.ask("GET", f"/orders/{order}").must(200)
    expect(logs.page.get_by_role("log")).to_contain_text(f"200 GET /orders/{order}", timeout=30_000)
    rows = traces.page.locator("tbody tr", has_text="GET orders.get")
    expect(rows.first).to_be_visible(timeout=30_000)
    for view in (traces, logs):
        assert view.page.evaluate("window.neverReloaded") is True
        view.must_be_clean()


def test_a_service_that_only_handles_events_shows_how_many(open_view: OpenView, customer: Shopper) -> None:
    customer.place()
    view = open_view()
    view.open("overview")
    card = view.page.locator(".services > *", has=view.page.get_by_label("restart payments"))
    expect(card.locator(".figure").first).to_have_text(re.compile(r"^[0-9.]+ /s\s*events$"))


def test_light_and_dark_are_a_click_apart_and_kept(open_view: OpenView, order_trace: str) -> None:
    view = open_view()
    show(view, "overview", order_trace)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = view.page.evaluate(ground)
    view.page.get_by_role("button", name="light or dark").click()
    dark = view.page.evaluate(ground)
    assert light != dark
    view.page.reload()
    view.settle()
    assert view.page.evaluate(ground) == dark


def test_an_operation_is_tried_and_its_trace_is_one_click_away(open_view: OpenView, watched: LocalSystem) -> None:
    view = open_view()
    view.open("api/orders/POST%20%2Forders")
    view.page.get_by_label("user", exact=True).fill(f"browser-{watched.pid('supervisor')}@example.com")
    view.page.get_by_role("button", name="register first").click()
    expect(view.page.get_by_role("status")).to_contain_text("is used from now on")
    view.page.get_by_role("button", name="send").click()
    expect(view.page.locator(".state", has_text="201")).to_be_visible()
    view.page.get_by_role("link", name="its trace").click()
    expect(view.page.locator("h1")).to_have_text("POST orders.place")
    view.picture("trace-of-a-try")
