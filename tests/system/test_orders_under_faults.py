"""Faults on purpose in the running shop: inside between two services, at the edge by Envoy, and gone when their time is over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from tests.system.local_system import LocalSystem
from tests.system.shopper import ONE, Shopper
from tests.system.waiting import until

from atoll.testing import SystemFaults


@pytest.fixture(name="faults")
def faults_fixture(shop: LocalSystem) -> Iterator[SystemFaults]:
    faults = SystemFaults(shop.folder / "system.py")
    yield faults
    faults.clear()


def quote(ada: Shopper) -> int:
    return ada.ask("POST", "/quote", ONE).status


def test_a_fault_inside_is_felt_as_the_callees_and_ends_by_itself(
    shop: LocalSystem, ada: Shopper, faults: SystemFaults
) -> None:
    assert quote(ada) == 200
    shop.must("fault", "add", "orders->payments", "--error", "100%", "--for", "3s")
    until(lambda: quote(ada) == 503, within=5, what="the fault is felt")
    listed = json.loads(shop.must("fault", "list", "--json"))["faults"]
    assert [one["edge"] for one in listed] == ["orders->payments"]
    until(lambda: quote(ada) == 200, within=20, what="the fault is over, and the breaker closed again")
    assert shop.must("fault", "list").strip() == "no faults"


def test_a_callees_server_error_is_a_bad_gateway_and_not_the_callers_fault(ada: Shopper, faults: SystemFaults) -> None:
    with faults.fault("orders->payments", error=1.0, status=404):
        until(lambda: quote(ada) == 502, within=5, what="a 404 of payments is a 502 of orders")
    until(lambda: quote(ada) == 200, within=20, what="all is well again")


def test_a_fault_at_the_edge_is_envoys(ada: Shopper, faults: SystemFaults) -> None:
    with faults.fault("gateway->orders", delay=0.5):

        def slow() -> bool:
            began = time.monotonic()
            ada.ask("GET", "/orders").must(200)
            return time.monotonic() - began >= 0.5

        until(slow, within=5, what="requests to orders are slow")
    until(lambda: not slow(), within=5, what="the delay is gone")


def test_an_edge_that_is_not_there_is_one_line(shop: LocalSystem) -> None:
    done = shop.atoll("fault", "add", "payments->orders", "--delay", "1s")
    assert done.returncode == 1
    assert done.stderr.startswith("payments does not call orders; there are: gateway->")
    assert shop.atoll("fault", "add", "orders->payments", "--delay", "soon").returncode == 2
