"""Goods come back and the money does: a saga over three running services, and what can go wrong with it."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.system.calls import call
from tests.system.local_system import LocalSystem
from tests.system.postgres import rows
from tests.system.shopper import ONE, Shopper, new_shopper
from tests.system.waiting import until
from tests.system.warehouse import Warehouse

SOON = 30.0  # seconds; a guard


@pytest.fixture
def warehouse(shop: LocalSystem) -> Warehouse:
    return Warehouse(shop)


def ledger_of(shop: LocalSystem, order_id: str) -> list[int]:
    """What the acquirer took for the order and gave back, in minor units."""
    statement = "SELECT amount FROM acquirer_ledger WHERE key = $1 ORDER BY booked_at"
    return [row["amount"] for row in rows(shop, "payments", statement, order_id)]


def paid_order(ada: Shopper, sku: str = "A1") -> str:
    order = ada.place({**ONE, "items": [{"sku": sku, "quantity": 2}]})
    ada.wait_for(order["id"], "confirmed")
    return str(order["id"])


def ask_return(ada: Shopper, order_id: str) -> Any:
    return ada.ask("POST", f"/orders/{order_id}/return").must(202).json


def return_of(ada: Shopper, order_id: str) -> Any:
    return ada.ask("GET", f"/orders/{order_id}/return").must(200).json


def wait_for_return(ada: Shopper, order_id: str, status: str, within: float = SOON) -> Any:
    def look() -> Any:
        found = return_of(ada, order_id)
        return found if found["status"] == status else None

    return until(look, within=within, what=f"the return of {order_id} is {status}")


@pytest.mark.every_broker
def test_goods_come_back_then_the_money_does(shop: LocalSystem, ada: Shopper, warehouse: Warehouse) -> None:
    order_id = paid_order(ada, sku="K7")
    answer = ada.ask("POST", f"/orders/{order_id}/return").must(202)
    assert answer.headers["location"].endswith(f"/orders/{order_id}/return")
    assert (
        return_of(ada, order_id)
        == answer.json
        == {"id": answer.json["id"], "order_id": order_id, "status": "waiting", "reason": ""}
    )
    ada.ask("POST", f"/orders/{order_id}/cancel").must_be_problem(409)
    assert warehouse.pieces("K7") == 0
    warehouse.scan(order_id)
    wait_for_return(ada, order_id, "closed")
    assert ledger_of(shop, order_id) == [2 * 7699, -2 * 7699]
    assert warehouse.pieces("K7") == 2
    assert ada.order(order_id)["status"] == "confirmed"
    assert ask_return(ada, order_id) == return_of(ada, order_id)
    listed = shop.must("sagas", "list")
    assert answer.json["id"] in listed
    assert "return_goods" in listed


def test_a_refund_that_is_refused_sends_the_parcel_back(shop: LocalSystem, ada: Shopper, warehouse: Warehouse) -> None:
    order_id = paid_order(ada)
    payment = rows(shop, "payments", "SELECT id FROM payments WHERE order_id = $1", uuid.UUID(order_id))[0]["id"]
    headers = {**shop.peer_header("orders", "payments"), "idempotency-key": f"voucher-{order_id}"}
    call(shop.url("payments"), "POST", f"/payments/{payment}/refund", {"amount": 1}, headers=headers).must(200)
    ask_return(ada, order_id)
    parcel = warehouse.scan(order_id)
    failed = wait_for_return(ada, order_id, "failed")
    assert "could not be given back" in failed["reason"]
    assert ledger_of(shop, order_id) == [198, -1]
    until(lambda: warehouse.sent_back(parcel), within=SOON, what="the parcel goes back")


def test_twenty_who_ask_at_once_get_one_return(shop: LocalSystem, ada: Shopper) -> None:
    order_id = paid_order(ada)
    with ThreadPoolExecutor(20) as many:
        asked = list(many.map(lambda _: ask_return(ada, order_id), range(20)))
    assert len({one["id"] for one in asked}) == 1
    found = rows(shop, "orders", "SELECT id FROM atoll.sagas WHERE key = $1", order_id)
    assert [str(row["id"]) for row in found] == [asked[0]["id"]]
    opened = "SELECT count(*) AS n FROM atoll.events WHERE stream = $1 AND subject = 'return.opened'"
    assert rows(shop, "orders", opened, f"order-{order_id}") == [{"n": 1}]


def test_only_the_owner_of_a_paid_order_returns_it_and_only_the_warehouse_scans(
    shop: LocalSystem, ada: Shopper
) -> None:
    order = ada.wait_for(ada.place({**ONE, "card": "tok_declined"})["id"], "declined")
    ada.ask("POST", f"/orders/{order['id']}/return").must_be_problem(409)
    ada.ask("GET", f"/orders/{order['id']}/return").must_be_problem(404)
    paid = paid_order(ada)
    new_shopper(shop).ask("POST", f"/orders/{paid}/return").must_be_problem(404)
    ada.ask("POST", f"/parcels/{uuid.uuid4()}/scan", {"order_id": paid}).must_be_problem(403)
    ada.ask("GET", "/stock").must_be_problem(403)
    call(shop.gateway, "GET", "/stock").must_be_problem(401)


def impatient(system: LocalSystem, **settings: float) -> LocalSystem:
    """The system with other settings of orders."""
    path = system.folder / "system.py"
    environment = {name.upper(): str(value) for name, value in settings.items()}
    calls = 'calls=("payments", "inventory"),'
    text = path.read_text("utf-8")
    assert text.count(calls) == 1
    path.write_text(text.replace(calls, f"{calls} environment={environment!r},"), "utf-8")
    return system


def kill(system: LocalSystem, service: str) -> None:
    pid = system.pid(service)
    os.kill(pid, signal.SIGKILL)
    system.wait_for_new(service, pid)


@pytest.mark.slow
def test_what_takes_too_long_is_ended(new_system: Callable[[], LocalSystem]) -> None:
    """Two clocks: a parcel that does not come, and, over a kill -9, a payment that comes too late."""
    system = impatient(new_system(), orders_payment_timeout=8, orders_parcel_timeout=0.2).up()
    ada = new_shopper(system)
    returned = paid_order(ada)
    ask_return(ada, returned)
    assert wait_for_return(ada, returned, "failed")["reason"] == "no parcel came in time"
    assert ada.order(returned)["status"] == "confirmed"
    assert ledger_of(system, returned) == [198]
    system.must("scale", "payments=0")
    unpaid = ada.place()["id"]
    system.look()
    kill(system, "orders")
    cancelled = ada.wait_for(unpaid, "cancelled", within=SOON)
    assert cancelled["reason"] == "not paid in time"
    assert unpaid in [order["id"] for page in ada.pages(10) for order in page if order["status"] == "cancelled"]
    system.must("scale", "payments=1")
    system.look()

    def settled() -> bool:
        statement = "SELECT state, amount - refunded AS left FROM payments WHERE order_id = $1"
        found = rows(system, "payments", statement, uuid.UUID(unpaid))
        return bool(found) and (found[0]["state"] == "declined" or found[0]["left"] == 0)

    until(settled, within=60, what="the late payment goes back")
    assert sum(ledger_of(system, unpaid)) == 0
    assert ada.order(unpaid)["status"] == "cancelled"


@pytest.mark.slow
def test_returns_survive_kill_9_of_the_order_service(new_system: Callable[[], LocalSystem]) -> None:
    system = new_system().up()
    ada, warehouse = new_shopper(system), Warehouse(system)
    orders = [paid_order(ada) for _ in range(12)]
    for order_id in orders:
        ask_return(ada, order_id)
    for order_id in orders[:6]:
        warehouse.scan(order_id)
    kill(system, "orders")  # some of them are under way
    for order_id in orders[6:]:
        warehouse.scan(order_id)
    kill(system, "orders")
    for order_id in orders:
        wait_for_return(ada, order_id, "closed", within=90)
        assert ledger_of(system, order_id) == [198, -198]
    assert warehouse.pieces("A1") == 2 * len(orders)
