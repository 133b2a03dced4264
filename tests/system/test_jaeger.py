"""A real Jaeger takes the shop's traces, and shows an order's as one tree. `scripts/jaeger install` builds it, in minutes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.brokers import SCRIPTS
from tests.system.calls import call
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.shopper import new_shopper
from tests.system.waiting import until

from atoll.testing import Server
from atoll.testing.servers import free_port


class Jaeger(Server):
    """Jaeger, traces in memory. Its port takes OTLP over HTTP."""

    ready_text = "Everything is ready"

    def __init__(self) -> None:
        super().__init__()
        self.query = free_port()

    def argv(self) -> list[str]:
        return [str(SCRIPTS / "jaeger"), "run", str(self.port), str(self.query), str(free_port())]

    def traces(self, service: str) -> list[dict[str, Any]]:
        """Those in which the service took part."""
        answer = call(f"http://127.0.0.1:{self.query}", "GET", f"/api/traces?service={service}&limit=100")
        return list(answer.must(200).json["data"] or ())


@pytest.fixture
def jaeger() -> Iterator[Jaeger]:
    looked = subprocess.run([str(SCRIPTS / "jaeger"), "look"], check=False, capture_output=True, text=True)
    if looked.returncode:
        pytest.skip(looked.stderr.strip())
    server = Jaeger()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def traced(tmp_path: Path, jaeger: Jaeger, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSystem]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{jaeger.port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    shop = LocalSystem(copy_of_shop(tmp_path))
    try:
        yield shop.up()
    finally:
        shop.down()


def test_an_order_is_one_whole_trace(traced: LocalSystem, jaeger: Jaeger) -> None:
    ada = new_shopper(traced)
    ada.wait_for(ada.place()["id"], "confirmed", within=30.0)
    order = until(lambda: whole(jaeger), within=30.0, what="Jaeger has the order's trace", pause=0.2)
    assert {process["serviceName"] for process in order["processes"].values()} >= {"gateway", "orders", "payments"}


def whole(jaeger: Jaeger) -> dict[str, Any] | None:
    """The trace in which an order was confirmed and told so, once the gateway's span, which comes last, is its root."""
    for trace in jaeger.traces("orders"):
        names = {span["operationName"] for span in trace["spans"]}
        if names >= {"POST /orders", "process order.created", "send order.confirmed"} and roots(trace) == ["gateway"]:
            return trace
    return None


def roots(trace: dict[str, Any]) -> list[str]:
    """The services of spans whose parent is not in the trace."""
    known = {span["spanID"] for span in trace["spans"]}
    return [
        trace["processes"][span["processID"]]["serviceName"]
        for span in trace["spans"]
        if not any(one["refType"] == "CHILD_OF" and one["spanID"] in known for one in span["references"])
    ]
