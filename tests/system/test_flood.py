"""A flood of telemetry: the dashboard sheds it and says so, keeps its size, and the shop does not notice."""

from __future__ import annotations

import http.client
import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from tests.platform.dashboard.telling import otlp, span
from tests.system.calls import call
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.shopper import Shopper, new_shopper
from tests.system.waiting import until

MOST = 64 * 2**20  # bytes of the store
SPANS = 8_000  # of one request
SENDERS = 6
ORDERS = 12
ROOM = 400 * 2**20  # bytes of memory that a flood may cost: 16 requests in hand, and what waits to be written


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[LocalSystem]:
    shop = LocalSystem(copy_of_shop(tmp_path), dashboard=True, variables={"ATOLL_DASHBOARD_BYTES": str(MOST)})
    try:
        yield shop.up()
    finally:
        shop.down()


class Flood:
    """Whole requests, as fast as they are answered, until it is over; each of them is other spans."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url).netloc
        self._over = threading.Event()
        self.answers: list[int] = []

    @contextmanager
    def coming(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _send(self) -> None:
        rng = random.Random(threading.get_ident())
        bodies = [self._body(rng) for _ in range(2)]
        while not self._over.is_set():
            connection = http.client.HTTPConnection(self._place, timeout=60)
            try:
                connection.request("POST", "/v1/traces", rng.choice(bodies), {"content-type": "application/x-protobuf"})
                self.answers.append(connection.getresponse().status)
            finally:
                connection.close()

    def _body(self, rng: random.Random) -> bytes:
        now = time.time_ns()
        return otlp(
            [
                span(rng.getrandbits(62) + 1, trace=rng.getrandbits(120), service="flood", start=now)
                for _ in range(SPANS)
            ]
        )


def store_of(shop: LocalSystem) -> Any:
    return call(str(shop.status["dashboard"]), "GET", "/api/store", timeout=60).must(200).json


def seconds_of_orders(ada: Shopper) -> list[float]:
    """How long each took until it was placed; all are confirmed in the end."""
    took, orders = [], []
    for _ in range(ORDERS):
        began = time.monotonic()
        orders.append(ada.place()["id"])
        took.append(time.monotonic() - began)
    for order in orders:
        ada.wait_for(order, "confirmed", within=60.0)
    return took


def test_a_flood_is_shed_and_the_shop_is_unharmed(watched: LocalSystem) -> None:
    ada = new_shopper(watched)
    quiet = seconds_of_orders(ada)
    process = psutil.Process(watched.pid("dashboard"))
    before = process.memory_info().rss
    flood, largest, began = Flood(str(watched.status["dashboard"])), before, time.monotonic()
    with flood.coming():
        until(lambda: store_of(watched)["shed"] + store_of(watched)["refused"], within=60.0, what="the dashboard sheds")
        flooded = seconds_of_orders(ada)
        largest = max(largest, process.memory_info().rss)
        told = store_of(watched)
    rate = len(flood.answers) * SPANS / (time.monotonic() - began)
    print(
        f"{rate:.0f} spans a second, {told}; memory {before >> 20} -> {largest >> 20} MiB; "
        f"an order took {statistics.median(quiet) * 1e3:.0f} ms, in the flood {statistics.median(flooded) * 1e3:.0f} ms"
    )
    assert told["shedding"]
    assert set(flood.answers) == {200, 429}
    assert largest - before < ROOM
    assert "telemetry comes faster than it can be stored" in watched.must("logs", "dashboard")

    until(lambda: store_of(watched)["waiting"] == 0, within=120.0, what="what was taken is stored")
    until(lambda: store_of(watched)["bytes"] < 2 * MOST, within=60.0, what="the store is back at its size", pause=0.5)
    order = ada.place()
    ada.wait_for(order["id"], "confirmed", within=60.0)

    def seen() -> Any:
        board = str(watched.status["dashboard"])
        return call(board, "GET", "/api/traces?q=orders.place&since=30s", timeout=60).must(200).json["traces"]

    until(seen, within=60.0, what="an order after the flood is traced", pause=0.5)


def test_what_is_stored_outlives_the_system_and_a_service_that_is_gone(watched: LocalSystem) -> None:
    ada = new_shopper(watched)
    ada.wait_for(ada.place()["id"], "confirmed", within=30.0)

    def traced() -> bool:
        found = watched.atoll("traces", "--service", "payments", "--json")
        return found.returncode == 0 and "orders.place" in found.stdout

    def counted() -> bool:
        ada.place()  # what a process counted before it was first looked at is no growth
        return "POST /orders" in watched.atoll("metrics", "--since", "1h").stdout

    until(traced, within=30.0, what="the order's trace is stored", pause=0.5)
    until(counted, within=60.0, what="the order is counted", pause=0.5)
    watched.must("scale", "payments=0")
    board = str(watched.status["dashboard"])
    system = call(board, "GET", "/api/system").must(200).json
    assert system["services"]["payments"]["instances"] == []
    assert "payments" in {one["service"] for one in call(board, "GET", "/api/senders").must(200).json["services"]}
    watched.must("down")
    assert "orders.place" in watched.must("traces", "--service", "payments")
    assert "POST /orders" in watched.must("metrics", "--since", "1h")
    watched.up()
    again = call(str(watched.status["dashboard"]), "GET", "/api/traces?service=payments&since=1h").must(200).json
    assert any("orders.place" in one["name"] for one in again["traces"])
