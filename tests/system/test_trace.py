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
    order = ada.ask("POST", "/orders", {**ONE, "card": "tok_visa"}).must(201).json
    ada.wait_for(order["id"], "confirmed")

    tree = until(lambda: whole_trace(collector), within=20.0, what="the order's trace is complete")

    roots = [told for told in tree if not told[1].parent_span_id]
    assert [name for name, _ in roots] == ["gateway"]
    ids = {span.span_id for _, span in tree}
    assert [span.name for _, span in tree if span.parent_span_id and span.parent_span_id not in ids] == []
    names = {(service, span.name) for service, span in tree}
    for expected in PLACES:
        assert expected in names, sorted(names)
    assert in_order(tree, "orders", "POST /orders", "create order.created")
    assert {service for service, _ in tree} >= {"gateway", "orders", "payments"}


def test_what_is_secret_is_in_no_span_metric_or_log(traced_shop: LocalSystem, collector: Collector) -> None:
    ada = new_shopper(traced_shop)
    card = "4111111111111111"
    ada.ask("POST", "/orders", {**ONE, "card": card})
    order = ada.place()
    ada.wait_for(order["id"], "confirmed")
    until(lambda: whole_trace(collector) and collector.metrics and collector.logs, within=20.0, what="all signals came")
    told = b"".join(collector.raw)
    for secret in (ada.token, PASSWORD, ada.email, card):
        assert secret.encode() not in told


PLACES = (
    ("orders", "POST /orders"),
    ("orders", "INSERT orders"),
    ("orders", "INSERT atoll.outbox"),
    ("orders", "COMMIT"),
    ("orders", "create order.created"),
    ("orders", "send order.created"),
)


def whole_trace(collector: Collector) -> list[Told]:
    """The spans of the trace in which an order was placed, once it has come to its end; nothing before."""
    placed = [span for service, span in collector.spans if (service, span.name) == ("orders", "POST /orders")]
    if not placed:
        return []
    tree = [(service, span) for service, span in collector.spans if span.trace_id == placed[-1].trace_id]
    gateway = [span for service, span in tree if service == "gateway"]
    confirmed = [span for _, span in tree if span.name.startswith("send order.confirmed")]
    return tree if gateway and confirmed else []


def in_order(tree: list[Told], service: str, above: str, below: str) -> bool:
    """Whether the one is an ancestor of the other."""
    by_id = {span.span_id: span for _, span in tree}
    span = next(span for name, span in tree if (name, span.name) == (service, below))
    while span.parent_span_id:
        span = by_id[span.parent_span_id]
        if span.name == above:
            return True
    return False


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
