"""The dashboard beside the running shop: what `atoll up` prints leads to a page that knows all that happens."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from tests.system.calls import call
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.shopper import ONE, new_shopper
from tests.system.waiting import until

PAGE = {"atoll-dashboard": "1"}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    shop = LocalSystem(copy_of_shop(tmp_path_factory.mktemp("watched")), dashboard=True)
    try:
        yield shop.up()
    finally:
        shop.down()


def ask(shop: LocalSystem, path: str) -> Any:
    return call(str(shop.status["dashboard"]), "GET", path).must(200).json


def do(shop: LocalSystem, path: str, body: object = None) -> Any:
    return call(str(shop.status["dashboard"]), "POST", path, body or {}, headers=PAGE).must(200).json


def test_one_order_is_one_tree_from_the_gateway_to_confirmed(watched: LocalSystem) -> None:
    ada = new_shopper(watched)
    ada.ask("GET", "/orders").must(200)  # the first token may make the gateway fetch auth's keys, within that trace
    order = ada.ask("POST", "/orders", ONE).must(201).json
    ada.wait_for(order["id"], "confirmed", within=30.0)

    def whole() -> Any:
        found = ask(watched, "/api/traces?q=orders.place&service=payments")["traces"]
        trace: Any = ask(watched, f"/api/traces/{found[0]['trace']}") if found else {"spans": []}
        names = [span["name"] for span in trace["spans"]]
        return trace if "send order.confirmed" in names and trace["spans"][0]["service"] == "gateway" else None

    trace = until(whole, within=30.0, what="the order's trace is complete")
    assert trace["orphans"] == 0
    assert {span["service"] for span in trace["spans"]} == {"gateway", "orders", "payments"}
    assert [span["depth"] for span in trace["spans"]].count(0) == 1

    def logged() -> bool:  # logs come by another way than spans, and may be later
        lines = ask(watched, f"/api/logs?trace={trace['trace']}")["logs"]
        return "201 POST /orders" in {one["message"] for one in lines}

    until(logged, within=30.0, what="the gateway's line of the order is there")
    roots = {one["name"] for one in ask(watched, "/api/traces?since=1h&limit=100")["traces"] if one["rooted"]}
    assert not {name for name in roots if "jwks" in name}, "the gateway's fetching of keys fills the list"


def test_the_rates_of_operations_come_from_the_services(watched: LocalSystem) -> None:
    ada = new_shopper(watched)

    def rated() -> Any:
        ada.ask("GET", "/orders").must(200)
        found = ask(watched, "/api/rates")["operations"]
        return [one for one in found if one["service"] == "orders" and one["operation"] == "GET /orders"]

    (rate,) = until(rated, within=40.0, pause=0.5, what="the operation's rate is known")
    assert rate["errors"] == 0
    assert rate["p50"] > 0


def test_it_knows_what_runs_and_whose_tables_there_are(watched: LocalSystem) -> None:
    system = ask(watched, "/api/system")
    assert set(system["services"]) == {"auth", "orders", "payments", "inventory"}
    assert system["parts"]["dashboard"]["state"] == "ready"
    pid = system["services"]["orders"]["instances"][0]["pid"]
    assert system["usage"][str(pid)]["memory"] > 10_000_000
    tables = {(one["schema"], one["table"]) for one in ask(watched, "/api/data/auth")["tables"]}
    assert ("atoll", "outbox") in tables
    account = ask(watched, "/api/data/auth/public/accounts")
    hidden = [at for at, one in enumerate(account["columns"]) if "password" in one["name"]]
    assert hidden
    assert {row[at] for row in account["rows"] for at in hidden} == {"(not shown)"}
    assert "orders" in ask(watched, "/api/apis")["documents"]
    assert any(one["subject"] == "order.created" for one in ask(watched, "/api/events/subjects")["subjects"])


def test_an_operation_is_tried_through_the_gateway(watched: LocalSystem) -> None:
    reply = do(watched, "/api/try", {"method": "GET", "path": "/orders"})
    assert reply["status"] == 401
    refused = call(
        str(watched.status["dashboard"]), "POST", "/api/try", {"method": "GET", "path": "orders"}, headers=PAGE
    )
    assert refused.status == 400
    assert "begins with /" in refused.json["error"]


def test_a_fault_is_ordered_and_cleared(watched: LocalSystem) -> None:
    do(watched, "/api/faults", {"edge": "orders->payments", "delay": 0.2, "seconds": 60})
    assert [one["edge"] for one in ask(watched, "/api/faults")["faults"]] == ["orders->payments"]
    do(watched, "/api/faults/clear")
    assert ask(watched, "/api/faults")["faults"] == []


def test_another_sites_page_may_order_nothing(watched: LocalSystem) -> None:
    board = str(watched.status["dashboard"])
    for headers in ({}, {**PAGE, "origin": "https://evil.example"}):
        assert call(board, "POST", "/api/services/orders/restart", {}, headers=headers).status == 403


def test_it_comes_back_when_it_dies_and_the_shop_does_not_mind(watched: LocalSystem) -> None:
    before = ask(watched, "/api/traces?since=1h")["traces"]
    os.kill(watched.pid("dashboard"), signal.SIGKILL)
    new_shopper(watched).place()

    def back() -> Any:
        try:
            return ask(watched, "/api/traces?since=1h")["traces"]
        except OSError:
            return None

    after = until(back, within=60.0, what="the dashboard is back")
    assert {one["trace"] for one in before} <= {one["trace"] for one in after} or len(after) == 50
