"""One order as one trace: from the gateway through services, databases, outbox, broker and provider, back to confirmed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.system.calls import call
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.shopper import ONE, PASSWORD, new_shopper
from tests.system.waiting import until
from tests.telemetry.collector import Collector, attributes, collecting

Told = tuple[str, Span]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture
def traced_shop(tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSystem]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "1000")
    shop = LocalSystem(copy_of_shop(tmp_path)).up()
    try:
        yield shop
    finally:
        shop.down()


def test_one_order_is_one_connected_tree(traced_shop: LocalSystem, collector: Collector) -> None:
    ada = new_shopper(traced_shop)
    order = ada.ask("POST", "/orders", ONE).must(201).json
    ada.wait_for(order["id"], "confirmed", within=30.0)

    tree = until(lambda: whole_trace(collector), within=20.0, what="the order's trace is complete")

    roots = [service for service, span in tree if not span.parent_span_id]
    assert roots == ["gateway"], shown(tree)
    ids = {span.span_id for _, span in tree}
    assert [span.name for _, span in tree if span.parent_span_id and span.parent_span_id not in ids] == []
    assert path_to(tree, "orders", "send order.confirmed") == [
        ("gateway", "POST orders.place"),
        ("orders", "POST /orders"),
        ("orders", "create order.created"),
        ("payments", "process order.created"),
        ("payments", "create payment.captured"),
        ("orders", "process payment.captured"),
        ("orders", "create order.confirmed"),
    ], shown(tree)


def test_what_is_secret_is_in_no_span_metric_or_log(traced_shop: LocalSystem, collector: Collector) -> None:
    ada = new_shopper(traced_shop)
    card, other = "4111111111111111", "5500005555555559"
    ada.ask("POST", "/orders", {**ONE, "card": card})
    ada.ask("GET", f"/orders?cursor={card}")
    form = urlencode({"grant_type": "password", "username": ada.email, "password": f"{PASSWORD}x"}).encode()
    wrong = call(
        traced_shop.gateway, "POST", "/auth/token", form, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert wrong.status in {400, 401}
    call(traced_shop.gateway, "GET", f"/nowhere/{other}?token={other}", headers={"baggage": f"card={other}"})
    for status in ("declined", "fails_once"):
        ada.place({**ONE, "card": f"tok_{status}"})
    order = ada.place()
    ada.wait_for(order["id"], "confirmed", within=30.0)
    until(lambda: whole_trace(collector) and collector.metrics and collector.logs, within=20.0, what="all signals came")
    pages = [call(traced_shop.url(service), "GET", "/metrics").body for service in traced_shop.status["services"]]
    own = secrets_of(traced_shop)
    logs = {log.name: log.read_bytes() for log in (traced_shop.folder / ".atoll" / "logs").glob("*.log")}
    access = logs.pop(
        "access.log"
    )  # has paths, as access logs have; so it is no place for what the gateway does not know
    for secret in (ada.token, PASSWORD, ada.email, card, other, *own):
        for told in (b"".join(collector.raw), *pages, *logs.values()):
            assert secret.encode() not in told
    for secret in (ada.token, PASSWORD, ada.email, *own, f"token={other}"):
        assert secret.encode() not in access


def secrets_of(shop: LocalSystem) -> list[str]:
    """What the platform gives to services and to nobody else: passwords of databases and of the broker, peers' secrets."""
    found = []
    for service in shop.status["services"]:
        told = shop.environment(service)
        found += json.loads(told.get("ATOLL_PEER_KEYS", "{}")).values()
        found += json.loads(told["ATOLL_PEERS"]).values()
        urls = (urlsplit(told.get(name, "")) for name in ("ATOLL_DATABASE_URL", "ATOLL_BROKER_URL"))
        found += [url.password for url in urls if url.password]
    assert len(found) > 8
    return found


def test_a_request_that_no_route_fits_is_a_span_of_the_gateway(traced_shop: LocalSystem, collector: Collector) -> None:
    call(traced_shop.gateway, "GET", "/nowhere/at-all").must(404)

    def told() -> list[Span]:
        found = [span for service, span in collector.spans if service == "gateway"]
        return [span for span in found if attributes(span).get("http.response.status_code") == "404"]

    (span,) = until(told, within=20.0, what="the gateway's span came")
    assert not span.parent_span_id
    assert b"nowhere" not in span.SerializeToString()


SATURATION = {
    "http_server_active_requests", "db_client_connection_count", "db_client_connection_max", "atoll_outbox_pending",
    "atoll_outbox_lag_seconds", "atoll_messages_held", "atoll_messages_parked", "atoll_messages_dead", "atoll_retry_budget",
    "atoll_breakers_troubled", "atoll_event_loop_lag_seconds_count", "atoll_telemetry_dropped", "process_memory_usage_bytes",
    "messaging_process_active", "atoll_projection_behind", "atoll_projection_lag_seconds",
}  # fmt: skip


def test_every_measure_of_saturation_is_there_before_anything_happened(traced_shop: LocalSystem) -> None:
    page = call(traced_shop.url("orders"), "GET", "/metrics").must(200).body.decode()
    names = {line.partition("{")[0].partition(" ")[0] for line in page.splitlines() if not line.startswith("#")}
    assert SATURATION - names == set()


PLACES = {
    ("orders", "INSERT atoll.outbox"),
    ("orders", "COMMIT"),
    ("orders", "send order.created"),
    ("payments", "INSERT acquirer_ledger"),  # the provider of the shop, which keeps its books in payments' database
    ("payments", "COMMIT"),
    ("payments", "send payment.captured"),
    ("orders", "send order.confirmed"),
}


def whole_trace(collector: Collector) -> list[Told]:
    """The spans of the trace in which an order was placed and confirmed; nothing as long as a place in it is missing."""
    spans = list(collector.spans)
    for _, placed in [told for told in spans if (told[0], told[1].name) == ("orders", "POST /orders")]:
        tree = [(service, span) for service, span in spans if span.trace_id == placed.trace_id]
        names = {(service, span.name) for service, span in tree}
        if names >= PLACES and any(service == "gateway" for service, _ in tree):
            return tree
    return []


def path_to(tree: list[Told], service: str, name: str) -> list[tuple[str, str]]:
    """What lies above a span, from the root down."""
    by_id = {span.span_id: (owner, span) for owner, span in tree}
    span = next(span for owner, span in tree if (owner, span.name) == (service, name))
    found: list[tuple[str, str]] = []
    while span.parent_span_id in by_id:
        owner, span = by_id[span.parent_span_id]
        found.insert(0, (owner, span.name))
    return found


def shown(tree: list[Told]) -> str:
    """The tree as a person reads it."""
    lines: list[str] = []

    def show(parent: bytes, depth: int) -> None:
        below = [told for told in tree if told[1].parent_span_id == parent]
        for service, span in sorted(below, key=lambda told: told[1].start_time_unix_nano):
            took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
            lines.append(
                f"{'  ' * depth}{service}: {span.name}  {took:.1f} ms  {attributes(span).get('error.type', '')}"
            )
            show(span.span_id, depth + 1)

    show(b"", 0)
    return "\n".join(lines)
