"""OTLP's protobuf messages as rows. What is malformed is refused as a whole; what is odd is bounded, and kept."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from atoll.platform.dashboard.rows import Batch, Log, Sample, Span

MOST_TEXT = 4_096  # characters of a name, a message or an attribute's value; what is longer is cut
MOST_ATTRIBUTES = 128  # OpenTelemetry's own default limit for a span
MOST_EVENTS = 128
_DEEP = 4  # levels of a nested attribute that are shown
_LATEST = 2**63 - 1  # nanoseconds that SQLite's integers hold
_AN_HOUR = 3_600 * 10**9
_encode = msgspec.json.Encoder().encode


class Malformed(Exception):
    """The bytes are no such OTLP message."""


def spans_of(body: bytes) -> Batch:
    """The spans of an ExportTraceServiceRequest; Malformed if it is none. Spans without proper ids are left out."""
    request = _parsed(ExportTraceServiceRequest(), body)
    return Batch(spans=tuple(_spans(request.resource_spans)))


def logs_of(body: bytes) -> Batch:
    """The records of an ExportLogsServiceRequest; Malformed if it is none."""
    request = _parsed(ExportLogsServiceRequest(), body)
    return Batch(logs=tuple(_logs(request.resource_logs)))


def samples_of(body: bytes) -> Batch:
    """The points of an ExportMetricsServiceRequest; Malformed if it is none. A histogram becomes Prometheus's three series."""
    request = _parsed(ExportMetricsServiceRequest(), body)
    return Batch(samples=tuple(_samples(request.resource_metrics)))


def _parsed(message: Any, body: bytes) -> Any:
    try:
        message.ParseFromString(body)
    except (DecodeError, RecursionError) as error:
        raise Malformed(f"not an OTLP {type(message).__name__}: {error}") from error
    return message


def _spans(groups: Iterable[Any]) -> Iterable[Span]:
    for group in groups:
        service, instance = _source(group.resource)
        for scope in group.scope_spans:
            for span in scope.spans:
                if len(span.trace_id) == 16 and len(span.span_id) == 8 and any(span.trace_id) and any(span.span_id):
                    yield _span(span, service, instance)


def _span(span: Any, service: str, instance: str) -> Span:
    start = min(span.start_time_unix_nano, _LATEST)
    return Span(
        span.trace_id,
        span.span_id,
        span.parent_span_id if len(span.parent_span_id) == 8 else b"",
        service,
        instance,
        _text(span.name) or "unnamed",
        span.kind,
        start,
        max(0, min(span.end_time_unix_nano, _LATEST) - start),
        span.status.code,
        _text(span.status.message),
        _attributes(span.attributes),
        _events(span.events, start) if span.events else "",
        _links(span.links) if span.links else "",
    )


def _events(events: Iterable[Any], start: int) -> str:
    found = [
        {"name": _text(event.name), "after": event.time_unix_nano - start, "attributes": _values(event.attributes)}
        for event in islice(events, MOST_EVENTS)
    ]
    return _encode(found).decode()


def _links(links: Iterable[Any]) -> str:
    found = [{"trace": link.trace_id.hex(), "span": link.span_id.hex()} for link in islice(links, MOST_EVENTS)]
    return _encode(found).decode()


def _logs(groups: Iterable[Any]) -> Iterable[Log]:
    for group in groups:
        service, instance = _source(group.resource)
        for scope in group.scope_logs:
            for record in scope.log_records:
                trace = record.trace_id if len(record.trace_id) == 16 else b""
                yield Log(
                    min(record.time_unix_nano or record.observed_time_unix_nano, _LATEST),
                    service,
                    instance,
                    record.severity_number or 9,
                    _text(str(_value(record.body, _DEEP))),
                    trace,
                    record.span_id if trace and len(record.span_id) == 8 else b"",
                    _attributes(record.attributes),
                )


def _samples(groups: Iterable[Any]) -> Iterable[Sample]:
    for group in groups:
        source = _source(group.resource)
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                yield from _metric(metric, source)


def _metric(metric: Any, source: tuple[str, str]) -> Iterable[Sample]:
    name = metric.name.replace(".", "_")[:200]
    kind = metric.WhichOneof("data")
    if kind in {"gauge", "sum"}:
        for point in getattr(metric, kind).data_points:
            value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
            yield Sample(_at(point), *source, name, _labels(point.attributes), float(value))
    elif kind == "histogram":
        for point in metric.histogram.data_points:
            yield from _histogram(point, name, source)


def _histogram(point: Any, name: str, source: tuple[str, str]) -> Iterable[Sample]:
    labels = _values(point.attributes)
    total = 0
    for bound, count in zip([*point.explicit_bounds, float("inf")], point.bucket_counts, strict=False):
        total += count
        le = "+Inf" if bound == float("inf") else repr(bound)
        yield Sample(_at(point), *source, f"{name}_bucket", _sorted({**labels, "le": le}), float(total))
    yield Sample(_at(point), *source, f"{name}_sum", _sorted(labels), point.sum)
    yield Sample(_at(point), *source, f"{name}_count", _sorted(labels), float(point.count))


def _at(point: Any) -> int:
    """Its time; now, if it claims one that no clock here can show: it would stay for ever, or drive out all the others."""
    now = time.time_ns()
    return int(point.time_unix_nano) if abs(now - point.time_unix_nano) < _AN_HOUR else now


def _source(resource: Any) -> tuple[str, str]:
    service = instance = ""
    for attribute in resource.attributes:
        if attribute.key == "service.name":
            service = _text(attribute.value.string_value)
        elif attribute.key == "service.instance.id":
            instance = _text(attribute.value.string_value)
    return service or "unknown", instance


def _attributes(attributes: Any) -> str:
    return _encode(_values(attributes)).decode() if attributes else "{}"


def _labels(attributes: Any) -> str:
    return _sorted(_values(attributes))


def _sorted(labels: dict[str, Any]) -> str:
    return _encode({name: str(labels[name]) for name in sorted(labels)}).decode()


def _values(attributes: Any) -> dict[str, Any]:
    return {_text(one.key): _value(one.value, _DEEP) for one in islice(attributes, MOST_ATTRIBUTES)}


def _value(value: Any, deep: int) -> Any:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return _text(value.string_value)
    if kind in {"int_value", "double_value", "bool_value"}:
        return getattr(value, kind)
    if kind == "bytes_value":
        return value.bytes_value[:MOST_TEXT].hex()
    if kind is None or not deep:
        return None
    if kind == "array_value":
        return [_value(one, deep - 1) for one in islice(value.array_value.values, MOST_ATTRIBUTES)]
    return {_text(one.key): _value(one.value, deep - 1) for one in islice(value.kvlist_value.values, MOST_ATTRIBUTES)}


def _text(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}… ({len(text):,} characters)"
