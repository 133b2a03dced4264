"""An operator at work on the running shop: a poison event, its repair, events as they pass, a read model made anew."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.system.local_system import LocalSystem
from tests.system.postgres import rows
from tests.system.shopper import Shopper
from tests.system.waiting import until

pytestmark = pytest.mark.every_broker

POISON = {"items": [{"sku": "A1", "quantity": 37}], "currency": "EUR"}
TOTAL = 37 * 99  # what the payment service cannot bear for a while


@pytest.fixture
def broken_payments(shop: LocalSystem) -> Iterator[None]:
    """The payment service fails at each order of that total."""
    rows(shop, "payments", f"ALTER TABLE payments ADD CONSTRAINT poison CHECK (amount <> {TOTAL}) NOT VALID")
    yield
    mend(shop)


def mend(shop: LocalSystem) -> None:
    rows(shop, "payments", "ALTER TABLE payments DROP CONSTRAINT IF EXISTS poison")


def letters(shop: LocalSystem, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shop.must("dead-letters", "list", "payments", "--key", key, "--json"))
    return found


def die(shop: LocalSystem, key: str) -> dict[str, Any]:
    """The message's delays are a matter of minutes, so the clock is put forward once it is parked."""
    parked = "SELECT 1 FROM atoll.parked WHERE key = $1"
    until(lambda: rows(shop, "payments", parked, key) or None, within=30, what="the event is parked")
    rows(shop, "payments", "UPDATE atoll.parked SET delays = 3, due = now() WHERE key = $1", key)
    found = until(lambda: letters(shop, key) or None, within=30, what="the event is a dead letter", pause=0.5)
    return found[0]


def test_a_poison_event_is_seen_understood_and_redriven(shop: LocalSystem, ada: Shopper, broken_payments: None) -> None:
    order = ada.place(POISON)["id"]
    letter = die(shop, order)
    assert (letter["subject"], letter["consumer"], letter["attempts"]) == ("order.created", "payments", 4)
    name = letter["name"]
    shown = shop.must("dead-letters", "show", name)
    assert f"{name}: CheckViolationError" in shown
    assert 'constraint "poison"' in shown
    assert '"total": 3663' in shown
    assert "Traceback" in shown
    services = json.loads(shop.must("ps", "--json"))["services"]
    assert services["payments"]["figures"]["dead"] >= 1
    assert services["payments"]["figures"]["backlog"] in (0, None)
    assert "payments" in shop.must("ps").split("OUTBOX")[1]

    mend(shop)
    assert shop.must("dead-letters", "redrive", name) == f"{name} is tried again: order.created {order}\n"
    ada.wait_for(order, "confirmed", within=30)
    again = shop.atoll("dead-letters", "redrive", name)
    assert again.returncode == 1
    assert "was redriven at" in again.stderr
    assert "and handled at" in again.stderr
    assert letters(shop, order) == []


def test_events_are_seen_as_they_passed(shop: LocalSystem, ada: Shopper) -> None:
    order = ada.place()["id"]
    ada.wait_for(order, "confirmed")
    lines = shop.must("events", "tail", "--key", order, "--json", "--since", "5m").splitlines()
    assert {json.loads(line)["subject"] for line in lines} == {"order.created", "payment.captured", "order.confirmed"}
    created = shop.must("events", "tail", "order.created", "--key", order)
    assert f"/shop/orders  order.created  {order}  " in created or f"order.created v2  {order}  " in created


def test_an_event_is_published_by_hand_through_its_owners_outbox(shop: LocalSystem) -> None:
    key = str(uuid.uuid4())
    data = {"order_id": key, "user_id": "nobody", "reason": "tested by hand"}
    said = shop.must("events", "publish", "order.cancelled", "--data", json.dumps(data))
    assert said == f"order.cancelled of {key} is in the outbox of orders\n"

    def passed() -> str | None:
        return shop.must("events", "tail", "order.cancelled", "--key", key) or None

    assert "tested by hand" in until(passed, within=30, what="the event passes")
    for wrong, line in (
        ({**data, "order_id": 7}, "order.cancelled: order_id: expected uuid, got int"),
        (
            {**data, "reasons": ""},
            "order.cancelled: reasons: is not a field of this event; it has order_id, user_id, reason",
        ),
        ({"order_id": key}, "order.cancelled: user_id: is required"),
    ):
        done = shop.atoll("events", "publish", "order.cancelled", "--data", json.dumps(wrong))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(line), done.stderr
    unknown = shop.atoll("events", "publish", "order.lost", "--data", "{}")
    assert unknown.stderr.startswith("nobody publishes order.lost; published are: order.cancelled, ")


def test_a_stretch_of_time_is_published_again_and_changes_nothing(shop: LocalSystem, ada: Shopper) -> None:
    order = ada.place()["id"]
    ada.wait_for(order, "confirmed")
    count = "SELECT count(*) AS n FROM acquirer_ledger WHERE key = $1"
    before = rows(shop, "payments", count, order)
    done = json.loads(
        shop.must("events", "republish", "orders", "--since", "5m", "--subject", "order.created", "--json")
    )
    assert done["events"] >= 1

    def twice() -> bool | None:
        return len(shop.must("events", "tail", "order.created", "--key", order).splitlines()) > 1 or None

    until(twice, within=30, what="the event passes again")
    assert rows(shop, "payments", count, order) == before


def test_a_read_model_is_made_anew_while_it_is_read(shop: LocalSystem, ada: Shopper) -> None:
    order = ada.place()["id"]
    ada.wait_for(order, "confirmed")
    found = json.loads(shop.must("projections", "list", "orders", "--json"))
    name = found[0]["projection"]
    assert "is rebuilt, in" in shop.must("projections", "rebuild", "orders", name, "--wait", "--timeout", "50")
    assert order in {one["id"] for page in ada.pages(10) for one in page}
    assert f"projection {name} " in shop.must("describe", "orders")
