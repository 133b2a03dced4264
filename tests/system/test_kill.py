"""kill -9 of any process while orders flow: none is lost, none is charged twice. The databases are the judge."""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.system.load import Flow, Wish, wishes
from tests.system.local_system import LocalSystem
from tests.system.postgres import rows
from tests.system.shopper import new_shopper
from tests.system.waiting import until

ORDERS = 500
SHOPPERS = 8  # the gateway limits each caller's rate
THREADS = 6  # few, so that a part of the orders is still on its way when the process dies
VICTIMS = ("orders", "payments", "auth", "broker", "postgres", "envoy", "supervisor")
SETTLE_LIMIT = 240.0  # seconds; a message that failed several times waits longest


@pytest.mark.timeout(900)
@pytest.mark.slow
@pytest.mark.every_broker
def test_no_order_is_lost_or_charged_twice_when_processes_are_killed(new_system: Callable[[], LocalSystem]) -> None:
    seed = int(os.environ.get("ATOLL_TEST_SEED") or time.time_ns() % 2**32)
    print(f"seed {seed}; repeat with ATOLL_TEST_SEED={seed}")
    chance = random.Random(seed)
    system = new_system().up()
    flow = Flow(system)
    victims = chance.sample(VICTIMS, len(VICTIMS))
    wanted = wishes([new_shopper(system) for _ in range(SHOPPERS)], ORDERS, chance)
    with ThreadPoolExecutor(1) as background:
        for at, victim in enumerate(victims):
            part = wanted[at * ORDERS // len(victims) : (at + 1) * ORDERS // len(victims)]
            running = background.submit(flow.run, part, THREADS)
            flow.wait_for(len(flow.accepted) + len(part) // 3, within=60)
            kill(system, victim)
            running.result()
            print(f"killed {victim}: {flow.failures} calls were repeated up to now")
    assert flow.failures > 0, "nothing was hit: the orders did not flow while processes were killed"
    judge(system, wanted, flow.accepted)
    system.down()
    assert system.processes() == {}


def kill(system: LocalSystem, victim: str) -> None:
    """kill -9, and wait until the system has healed itself; only the supervisor has nobody but us to start it again."""
    victim = system.broker if victim == "broker" else victim
    pid = system.pid(victim)
    print(f"kill -9 {victim} ({pid})")
    os.kill(pid, signal.SIGKILL)
    if victim == "supervisor":
        system.up()
    else:
        system.wait_for_new(victim, pid)


def judge(system: LocalSystem, wanted: list[Wish], accepted: dict[str, str]) -> None:
    """Every accepted order is settled as its card says, the acquirer has the sum of the confirmed ones, and nothing else."""
    settled = "every order is in the read model, and confirmed or declined"
    until(lambda: is_settled(system, len(accepted)), within=SETTLE_LIMIT, what=settled, pause=0.5)
    orders = {str(row["id"]): row for row in rows(system, "orders", "SELECT id, status, total FROM orders")}
    assert sorted(orders) == sorted(accepted.values()), "an order was lost, or one wish became two orders"
    for wish in wanted:
        expected = "declined" if wish.card == "tok_declined" else "confirmed"
        assert orders[accepted[wish.key]]["status"] == expected, wish
    confirmed = {key: row["total"] for key, row in orders.items() if row["status"] == "confirmed"}
    ledger = rows(
        system, "payments", "SELECT key, sum(amount)::bigint AS taken, count(*) AS n FROM acquirer_ledger GROUP BY key"
    )
    assert {row["key"]: row["taken"] for row in ledger} == confirmed
    assert {row["n"] for row in ledger} == {1}
    payments = rows(system, "payments", "SELECT order_id, amount FROM payments WHERE state = 'captured'")
    assert {row["order_id"]: row["amount"] for row in payments} == {uuid.UUID(k): v for k, v in confirmed.items()}


def is_settled(system: LocalSystem, orders: int) -> bool:
    statement = "SELECT count(*) AS n, count(*) FILTER (WHERE status = 'pending') AS waiting FROM orders"
    (found,) = rows(system, "orders", statement)
    return int(found["n"]) >= orders and int(found["waiting"]) == 0
