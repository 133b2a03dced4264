"""What others wrote is shown and never run; what is not there is said to be not there; who may not look sees nothing."""

from __future__ import annotations

import json
import re
import time
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.platform.dashboard.telling import otlp, running, span
from tests.system.browser.conftest import OpenView
from tests.system.browser.view import View
from tests.system.calls import call
from tests.system.local_system import LocalSystem
from tests.system.shopper import Shopper
from tests.system.waiting import until

ATTACKS = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "\"><svg onload='window.hacked = 1'>",
    "javascript:window.hacked=1",
    "</title></style></textarea><iframe srcdoc='<script>parent.hacked = 1</script>'>",
    "${window.hacked = 1}{{constructor.constructor('window.hacked = 1')()}}",
)
PROTOBUF = {"content-type": "application/x-protobuf"}


def must_be_inert(view: View) -> None:
    assert view.page.evaluate("window.hacked") is None
    assert view.page.locator("main script, main iframe, main img, main [onload], main [onerror]").count() == 0
    assert view.page.locator("a[href^='javascript:']").count() == 0
    view.must_be_clean()


@pytest.fixture
def attacked(board: str) -> str:
    """A trace whose every text is an attack; its id."""
    trace = uuid.uuid4()
    now = time.time_ns()
    spans = [
        span(number, 1 if number > 1 else 0, trace=trace.int, service=f"evil {text}", name=text, start=now + number, status=2,
             attributes=json.dumps({text: text, "atoll.fault": text, "peer.service": text}))
        for number, text in enumerate(ATTACKS, 1)
    ]  # fmt: skip
    assert call(board, "POST", "/v1/traces", otlp(spans), headers=PROTOBUF).status == 200
    until(
        lambda: call(board, "GET", f"/api/traces/{trace.hex}").status == 200 or None,
        within=20.0,
        what="the trace is kept",
    )
    return trace.hex


def test_names_and_attributes_of_spans_are_inert(open_view: OpenView, attacked: str) -> None:
    view = open_view()
    view.open(f"traces/{attacked}")
    expect(view.page.locator("h1")).to_have_text(ATTACKS[0])
    for row in view.page.get_by_role("treeitem").all():
        row.click()
        expect(view.page.locator(".span-row.chosen")).to_have_count(1)
    view.picture("attacked-trace")
    must_be_inert(view)
    for address in ("overview", "traces?errors=1", "map", f"traces/{attacked}/compare/{attacked}", "logs"):
        view.open(address)
        must_be_inert(view)


def test_a_log_line_and_an_address_are_inert(open_view: OpenView, watched: LocalSystem) -> None:
    log = watched.folder / ".atoll" / "logs" / "payments-1.log"
    with log.open("a") as file:
        for text in ATTACKS:
            file.write(json.dumps({"level": "error", "message": f"attack {text}", text: text}) + "\n")
    view = open_view()
    view.open("logs?q=attack")
    lines = view.page.get_by_role("log").locator("[data-row]")
    expect(lines).to_have_count(len(ATTACKS), timeout=30_000)
    lines.nth(1).click()
    expect(view.page.get_by_role("log")).to_contain_text("<img src=x onerror=")
    view.picture("attacked-logs")
    must_be_inert(view)
    for address in (f"logs?q={ATTACKS[1]}", f"metrics/{ATTACKS[1]}", f"data/{ATTACKS[1]}", f"nowhere{ATTACKS[1]}"):
        view.page.goto(f"{view.base}/#/{address}")
        view.page.locator("main").wait_for()
        assert view.page.evaluate("window.hacked") is None


def test_a_payload_is_inert(open_view: OpenView, customer: Shopper) -> None:
    view = open_view()
    view.open("api/orders/POST%20%2Forders")
    view.page.get_by_label("body (application/json)").fill(json.dumps({"items": [{"sku": ATTACKS[1], "quantity": 1}]}))
    view.page.get_by_label("or paste a bearer token").fill(customer.token)
    view.page.get_by_role("button", name="send").click()
    expect(view.page.locator(".code pre").last).to_be_visible()
    must_be_inert(view)


def test_an_unknown_trace_is_said_to_be_unknown(open_view: OpenView) -> None:
    view = open_view()
    view.page.goto(f"{view.base}/#/traces/{'a' * 32}")
    expect(view.page.get_by_role("alert")).to_contain_text("it was not sampled, or is too old")
    view.picture("unknown-trace")
    view.page.goto(f"{view.base}/#/traces/nonsense")
    expect(view.page.get_by_role("alert")).to_contain_text("is no trace id; it has 32 hexadecimal digits")
    view.must_be_clean("404|400")


@pytest.mark.parametrize("address", ["resilience/ghost", "data/ghost", "logs?instance=ghost-7", "traces?service=ghost"])
def test_a_service_that_vanished_breaks_no_view(open_view: OpenView, address: str) -> None:
    view = open_view()
    view.page.goto(f"{view.base}/#/{address}")
    shown = "ghost|Nothing was said|No trace fits|Choose a service"
    expect(view.page.locator("main")).to_contain_text(re.compile(shown))
    view.must_be_clean("404|400")


def test_a_page_that_is_not_there_is_named(open_view: OpenView) -> None:
    view = open_view()
    view.page.goto(f"{view.base}/#/ghost")
    expect(view.page.get_by_role("alert")).to_have_text("there is no page ghost")


def test_from_elsewhere_nothing_is_seen_without_the_token(
    open_view: OpenView, chromium: Browser, tmp_path: Path
) -> None:
    with running(tmp_path, token="the right token") as served:
        served.send([span(1, start=time.time_ns())])
        view = open_view(base=f"http://box.example:{served.port}")
        view.page.goto(view.base)
        expect(view.page.locator("h1")).to_have_text("This dashboard asks for a token")
        view.picture("no-token")
        view.page.get_by_label("token").fill("a wrong one")
        view.page.get_by_role("button", name="open").click()
        expect(view.page.locator("h1")).to_have_text("This dashboard asks for a token")
        view.page.get_by_label("token").fill("the right token")
        view.page.get_by_role("button", name="open").click()
        expect(view.page.get_by_role("link", name="Traces")).to_be_visible()
        assert "token" not in view.page.url
        view.page.goto(f"{view.base}/#/traces")
        expect(view.page.locator("tbody tr")).to_have_count(1)
        assert view.elsewhere == []


def test_a_dashboard_that_went_away_is_said_to_be_away(open_view: OpenView, tmp_path: Path) -> None:
    with running(tmp_path) as served:
        served.send([span(1, start=time.time_ns())])
        view = open_view(base=f"http://127.0.0.1:{served.port}")
        view.page.goto(f"{view.base}/#/traces")
        expect(view.page.locator("tbody tr")).to_have_count(1)
    expect(view.page.get_by_role("alert")).to_have_text("the dashboard does not answer; is the system still up?")
    expect(view.page.locator(".rail .state")).to_have_text("away")
    expect(view.page.locator("tbody tr")).to_have_count(1)  # what was known stays
