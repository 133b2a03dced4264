"""A crowd of customers in a second process, and the count of what became of their orders."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
from tests.system.local_system import REPOSITORY, LocalSystem
from tests.system.postgres import rows
from tests.system.shopper import new_shopper
from tests.system.waiting import until

CROWD = 8  # the gateway limits each caller's rate
PACE = 0.1  # seconds between two requests of a customer
SETTLED_WITHIN = 90.0  # seconds until the last order is paid or not
BACK_WITHIN = 60.0  # seconds for a service to start
EXPECTED = {"tok_ok": ("confirmed",), "tok_declined": ("declined", "cancelled")}


@dataclass
class Crowd:
    """done: how many requests of each kind; failed: a line each; accepted: order id -> card. Filled when the crowd has left."""

    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    accepted: dict[str, str] = field(default_factory=dict)


@contextmanager
def crowd(shop: LocalSystem, seed: int) -> Iterator[Crowd]:
    """Customers shop as long as the block runs."""
    shoppers = [new_shopper(shop) for _ in range(CROWD)]
    accounts = json.dumps([{"email": one.email, "token": one.token} for one in shoppers])
    argv = [sys.executable, "-m", "tests.faults.lifecycle.customers", shop.gateway, str(seed), str(PACE)]
    with subprocess.Popen(
        argv, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        process.stdin.write(accounts + "\n")
        process.stdin.flush()
        found = Crowd()
        try:
            yield found
        finally:
            said, complaint = process.communicate()
        assert process.returncode == 0, complaint
    told = json.loads(said)
    found.done, found.failed, found.accepted = Counter(told["done"]), told["failed"], told["accepted"]


def settled(shop: LocalSystem, found: Crowd) -> Counter[str]:
    """How many of the accepted orders ended how. Each must end as its card says, and the acquirer must have taken the
    money of the confirmed ones, once, and no other."""
    shop.look()
    until(lambda: _all_decided(shop, found), within=SETTLED_WITHIN, what="no order waits any more", pause=0.5)
    orders = _orders(shop)
    lost = [order for order, card in found.accepted.items() if orders[order]["status"] not in EXPECTED[card]]
    assert not lost, [(order, found.accepted[order], orders[order]) for order in lost]
    ledger = rows(
        shop, "payments", "SELECT key, sum(amount)::bigint AS taken, count(*) AS n FROM acquirer_ledger GROUP BY key"
    )
    confirmed = {order: row["total"] for order, row in orders.items() if row["status"] == "confirmed"}
    assert {row["key"]: row["taken"] for row in ledger} == confirmed
    assert {row["n"] for row in ledger} <= {1}
    return Counter(str(orders[order]["status"]) for order in found.accepted)


def _orders(shop: LocalSystem) -> dict[str, dict[str, Any]]:
    return {str(row["id"]): row for row in rows(shop, "orders", "SELECT id, status, total FROM orders")}


def _all_decided(shop: LocalSystem, found: Crowd) -> bool:
    orders = _orders(shop)
    return found.accepted.keys() <= orders.keys() and all(row["status"] != "pending" for row in orders.values())


def processes(shop: LocalSystem, service: str) -> list[psutil.Process]:
    """The processes of a service, all of which run."""
    until(lambda: _ready_without(shop, service, 0), within=BACK_WITHIN, what=f"{service} runs", pause=0.2)
    return [psutil.Process(one["pid"]) for one in shop.status["services"][service]["instances"]]


def wait_for_another(shop: LocalSystem, service: str, gone: psutil.Process) -> None:
    """Until that process has ended, and another one in its place takes traffic."""
    gone.wait(BACK_WITHIN)
    until(lambda: _ready_without(shop, service, gone.pid), within=BACK_WITHIN, what=f"{service} is back", pause=0.2)


def _ready_without(shop: LocalSystem, service: str, pid: int) -> bool:
    found = shop.look()["services"][service]["instances"]
    return all(one["state"] == "ready" and one["pid"] != pid for one in found)
