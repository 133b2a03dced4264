"""A real Prometheus scrapes the running shop by what `atoll publish` wrote, and alerts when something is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.brokers import SCRIPTS, install_or_skip
from tests.system.calls import call
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.shopper import ONE, Shopper, new_shopper
from tests.system.waiting import until
from tests.telemetry.collector import collecting

from atoll.testing import Server

SERVICES = {"auth", "orders", "payments", "inventory"}
# For half a day the windows of the fastest alert are one minute and five seconds.
PROMISE = "Slo(Orders.quote, availability=99.0, days=0.5)"


class Prometheus(Server):
    """Prometheus with the configuration of a folder."""

    ready_text = "Server is ready to receive web requests"

    def __init__(self, config: Path) -> None:
        super().__init__()
        self._config = config

    def argv(self) -> list[str]:
        return [
            str(SCRIPTS / "prometheus"),
            "run",
            str(self._config / "prometheus.yml"),
            str(self.folder / "data"),
            str(self.port),
        ]

    def ask(self, path: str, **query: object) -> Any:
        """The data of the answer."""
        url = f"/api/v1/{path}?{urlencode(query)}" if query else f"/api/v1/{path}"
        return call(f"http://127.0.0.1:{self.port}", "GET", url).must(200).json["data"]

    def value(self, expression: str) -> float:
        """The largest value of it now; 0 if there is none."""
        found = self.ask("query", query=expression)["result"]
        return max((float(one["value"][1]) for one in found), default=0.0)

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {one["labels"]["alertname"] for one in self.ask("alerts")["alerts"] if one["state"] == "firing"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    install_or_skip("prometheus")
    folder = copy_of_shop(tmp_path_factory.mktemp("scraped"))
    model = folder / "system.py"
    before, _, rest = model.read_text("utf-8").partition("    slos=(\n")
    after = rest.partition("\n    ),\n")[2]
    model.write_text(f"{before}    slos=({PROMISE},),\n{after}", "utf-8")
    found = LocalSystem(folder)
    with collecting() as collector, pytest.MonkeyPatch.context() as patch:  # only recorded traces give exemplars
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        try:
            yield found.up()
        finally:
            found.down()


@pytest.fixture(scope="module")
def prometheus(shop: LocalSystem) -> Iterator[Prometheus]:
    config = shop.folder / "prometheus"
    shop.must("publish", "prometheus", "--to", str(config), "--interval", "1")
    server = Prometheus(config)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def ada(shop: LocalSystem) -> Shopper:
    return new_shopper(shop)


def test_every_service_is_scraped(prometheus: Prometheus) -> None:
    def up() -> bool:
        targets = prometheus.ask("targets")["activeTargets"]
        return {one["labels"]["service"] for one in targets if one["health"] == "up"} == SERVICES

    until(up, within=30.0, what="all targets are up", pause=0.2)


def test_traffic_gives_recorded_rates_and_exemplars(prometheus: Prometheus, ada: Shopper) -> None:
    def recorded() -> bool:
        ada.ask("POST", "/quote", ONE).must(200)
        operation = 'service_operation:http_requests:rate5m{atoll_operation="orders.quote"}'
        return prometheus.value(operation) > 0 and prometheus.value("service:http_seconds:p99_5m") > 0

    until(recorded, within=60.0, what="the recording rules have values", pause=0.2)
    share = 'count(slo:availability_errors:ratio_rate1m{slo="orders.quote"} == 0)'
    until(lambda: prometheus.value(share) == 1, within=30.0, what="nothing has failed", pause=0.2)

    traces = until(lambda: examples(prometheus), within=30.0, what="Prometheus has exemplars", pause=0.2)
    assert all(len(trace) == 32 for trace in traces)


def examples(prometheus: Prometheus) -> set[str]:
    """The traces that Prometheus knows as examples of a duration."""
    now = time.time()
    query = "http_server_request_duration_seconds_bucket"
    found = prometheus.ask("query_exemplars", query=query, start=now - 300, end=now + 5)
    return {one["labels"]["trace_id"] for series in found for one in series["exemplars"]}


def test_a_fault_fires_the_alert_of_the_promise(prometheus: Prometheus, shop: LocalSystem, ada: Shopper) -> None:
    assert "SloBurnAvailability" not in prometheus.firing()
    shop.must("fault", "add", "orders->payments", "--error", "100%", "--for", "3m")

    def fired() -> bool:
        ada.ask("POST", "/quote", ONE)
        return "SloBurnAvailability" in prometheus.firing()

    until(fired, within=90.0, what="the alert fires", pause=0.2)
    assert prometheus.value("max(atoll_breaker_open)") == 1
