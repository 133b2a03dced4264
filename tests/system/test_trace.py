"""One order as one trace: from the gateway through services, databases, outbox, broker and provider, back to confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
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
    card = "4111111111111111"
    ada.ask("POST", "/orders", {**ONE, "card": card})
    ada.ask("GET", f"/orders?cursor={card}")
    order = ada.place()
    ada.wait_for(order["id"], "confirmed", within=30.0)
    until(lambda: whole_trace(collector) and collector.metrics and collector.logs, within=20.0, what="all signals came")
    told = b"".join(collector.raw)
    for secret in (ada.token, PASSWORD, ada.email, card):
        assert secret.encode() not in told


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
