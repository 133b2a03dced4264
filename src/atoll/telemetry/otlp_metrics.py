"""Metrics as OTLP (`ExportMetricsServiceRequest`), cumulative."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable

from atoll.telemetry.metrics import Counter, Exemplar, Family, Gauge, Histogram, Labels, Metrics
from atoll.telemetry.otlp_spans import SCOPE
from atoll.telemetry.protobuf import attributes, block, double, fixed64, number, packed, text

_CUMULATIVE = 2
_FIELDS = {"gauge": 5, "counter": 7, "histogram": 9}


def encode_metrics(resource: bytes, metrics: Metrics) -> bytes:
    """One request with what all instruments say now."""
    now = time.time_ns()
    found = [block(2, _family(family, metrics.started, now)) for family in metrics]
    return block(1, resource + block(2, SCOPE + b"".join(found)))


def _family(family: Family, started: int, now: int) -> bytes:
    times = fixed64(2, started) + fixed64(3, now)
    told = [_point(family.name, one) for one in list(family.instruments.values())]
    points = b"".join([block(1, times + point) for point in told if point is not None])
    if family.kind != "gauge":
        points += number(2, _CUMULATIVE)
    if family.kind == "counter":
        points += number(3, True)
    head = text(1, family.name) + text(2, family.about) + text(3, family.unit)
    return head + block(_FIELDS[family.kind], points)


def _point(name: str, one: Counter | Gauge | Histogram) -> bytes | None:
    """None for a gauge that cannot be read."""
    if isinstance(one, Histogram):
        return _spread(one)
    value = one.value if isinstance(one, Counter) else one.now(name)
    return None if value is None else double(4, value) + _labels(7, one.labels)


def _spread(one: Histogram) -> bytes:
    counts, bounds = one.counts, one.bounds
    found = fixed64(4, sum(counts)) + double(5, one.total)
    found += packed(6, struct.pack(f"<{len(counts)}Q", *counts)) + packed(7, struct.pack(f"<{len(bounds)}d", *bounds))
    return found + _exemplars(one.exemplars) + _labels(9, one.labels)


def _exemplars(examples: Iterable[Exemplar | None]) -> bytes:
    return b"".join([block(8, _exemplar(*one)) for one in examples if one is not None])


def _exemplar(value: float, trace_id: str, span_id: int, at: float) -> bytes:
    ids = block(4, span_id.to_bytes(8, "big")) + block(5, bytes.fromhex(trace_id))
    return fixed64(2, int(at * 1e9)) + double(3, value) + ids


def _labels(field: int, labels: Labels) -> bytes:
    return attributes(field, dict(labels))
