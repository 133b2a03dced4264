"""What a service shows at ``/metrics``, as samples: Prometheus's text format and OpenMetrics with its exemplars."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from prometheus_client.openmetrics.parser import text_fd_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as prometheus_families

from atoll.platform.dashboard.rows import Sample

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
MOST_BYTES = 4 * 2**20  # of one page
MOST_SAMPLES = 20_000  # of one page
_encode = msgspec.json.Encoder(order="sorted").encode


class Unreadable(Exception):
    """The page is in neither format."""


def samples_of_page(service: str, instance: str, time: int, text: str, kind: str) -> tuple[Sample, ...]:
    """The samples of a page. time: nanoseconds since 1970, for all of them. kind: the reply's content type. Unreadable."""
    try:
        families = _openmetrics(text) if "openmetrics" in kind else prometheus_families(text)
        return tuple(_samples(service, instance, time, families))
    except (ValueError, KeyError, IndexError, TypeError) as error:  # what the parsers raise for a page that is none
        raise Unreadable(f"{service}: /metrics is not readable: {error}") from error


def _openmetrics(text: str) -> Iterable[Any]:
    lines = io.StringIO(text)
    return openmetrics_families(lines)  # type: ignore[no-untyped-call,no-any-return]


def _samples(service: str, instance: str, time: int, families: Iterable[Any]) -> Iterator[Sample]:
    count = 0
    for family in families:
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            count += 1
            if count > MOST_SAMPLES:
                return
            labels = _encode(sample.labels).decode()
            yield Sample(time, service, instance, sample.name, labels, float(sample.value), _trace(sample.exemplar))


def _trace(exemplar: Any) -> bytes:
    text = exemplar.labels.get("trace_id", "") if exemplar is not None else ""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return b""
    return found if len(found) == 16 else b""
