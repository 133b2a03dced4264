"""One instrument that cannot be told takes no other along, and what would make the page unreadable is refused at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from atoll.telemetry.exposition import page
from atoll.telemetry.metrics import Metrics
from atoll.telemetry.otlp_metrics import encode_metrics
from atoll.telemetry.process import ProcessMetrics


def seen(metrics: Metrics) -> Iterator[set[str]]:
    """The names of all samples, by each of the two formats' strict parsers."""
    for accept, read in (("", prometheus), ("application/openmetrics-text", openmetrics)):
        text = page(metrics, accept)[1].decode()
        yield {sample.name for family in read(text) for sample in family.samples}


def broken() -> float:
    raise RuntimeError("the queue is gone")


@pytest.mark.parametrize("read", [broken, lambda: None, lambda: "many"])
def test_a_gauge_that_cannot_be_read_is_left_out_and_said_once(
    read: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    metrics.gauge("shelf.waiting", "What waits.", read=read)
    metrics.gauge("shelf.books", "Books.").set(3)
    with caplog.at_level(logging.WARNING):
        assert list(seen(metrics)) == [{"shelf_books"}, {"shelf_books"}]
        encoded = encode_metrics(b"", metrics)
    assert [record.getMessage().partition(" cannot")[0] for record in caplog.records] == ["the gauge shelf.waiting"]
    scopes = ExportMetricsServiceRequest.FromString(encoded).resource_metrics[0].scope_metrics[0]
    assert {metric.name: len(metric.gauge.data_points) for metric in scopes.metrics} == {
        "shelf.waiting": 0,
        "shelf.books": 1,
    }


def test_it_is_said_again_when_it_had_been_well_in_between(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([1 / 3, None, None, 2.0, None])
    gauge = Metrics().gauge("shelf.waiting", "What waits.", read=lambda: next(answers))  # type: ignore[arg-type,return-value]
    assert [gauge.now("shelf.waiting") for _ in range(5)] == [1 / 3, None, None, 2.0, None]
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda metrics: metrics.counter("spoilt", "x").add(-1),
        lambda metrics: metrics.counter("spoilt", "x").add(float("nan")),
        lambda metrics: metrics.histogram("spoilt", "x").record(-1.0),
        lambda metrics: metrics.histogram("spoilt", "x").record(float("nan")),
        lambda metrics: metrics.histogram("spoilt", "x", bounds=[3, 1, float("inf")]).record(2),
        lambda metrics: metrics.counter("spoilt", 'say "x" \\ \n# TYPE y gauge'),
        lambda metrics: metrics.counter("spoilt", "x", {"name": 'a"b\n\\\r\ud800', "number": 1}),
    ],
)
def test_a_value_that_may_not_be_leaves_the_page_readable(spoil: Callable[[Metrics], None]) -> None:
    metrics = Metrics()
    spoil(metrics)
    metrics.counter("shelf.lent", "Lent.").add()
    for names in seen(metrics):
        assert "shelf_lent_total" in names


def test_the_help_of_the_older_format_has_no_escaped_quotation_mark() -> None:
    metrics = Metrics()
    metrics.counter("shelf.lent", 'Books that are "out".')
    assert b'# HELP shelf_lent_total Books that are "out".\n' in page(metrics, "")[1]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("", {}),
        ("2xx", {}),
        ("books-lent", {}),
        ("lent", {"1st": "x"}),
        ("lent", {"": "x"}),
        ("lent", {"le": "x"}),
        ("lent", {"a.b": "x", "a_b": "y"}),
        ("shelf_books", {}),
    ],
)
def test_a_name_that_would_make_the_page_unreadable_is_refused(name: str, labels: dict[str, str]) -> None:
    metrics = Metrics()
    metrics.gauge("shelf.books", "Books.").set(1)
    with pytest.raises(ValueError, match=r"name|label"):
        metrics.counter(name, "x", labels)
    assert list(seen(metrics)) == [{"shelf_books"}, {"shelf_books"}]


def test_when_the_process_began_is_told() -> None:
    metrics = Metrics()
    ProcessMetrics(metrics)
    for names in seen(metrics):
        assert "process_start_time_seconds" in names
