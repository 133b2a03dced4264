"""Finished spans as OTLP (opentelemetry-proto 1.x, `ExportTraceServiceRequest`)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache

from atoll.service.tracing import Failure, Finished, SpanPlan, Value
from atoll.telemetry.protobuf import attribute, attributes, block, fixed64, number, text, varint
from atoll.telemetry.redaction import COVER, SHORTEST_CARD, is_secret, redacted

SCOPE = block(1, text(1, "atoll"))
_ERROR = 2
_times = struct.Struct("<BQBQ").pack  # start_time_unix_nano = 7, end_time_unix_nano = 8
_id = struct.Struct(">Q").pack


def encode_spans(resource: bytes, spans: Iterable[Finished]) -> bytes:
    """One request with all of them. resource: what `encode_resource` made."""
    written = [_span(span) for span in spans]
    framed = b"".join([b"\x12" + varint(len(span)) + span for span in written])
    return block(1, resource + block(2, SCOPE + framed))


def encode_resource(values: dict[str, Value]) -> bytes:
    """Who tells all this: a Resource, as the first field of whatever is told."""
    return block(1, attributes(1, values))


def _span(span: Finished) -> bytes:
    trace, own, parent, plan, start, end, values, failure, links = span
    found = b"\x0a\x10" + bytes.fromhex(trace.id) + b"\x12\x08" + _id(own) + (plan.encoded or _plan(plan))
    if parent:
        found += b"\x22\x08" + _id(parent)
    found += _times(0x39, start, 0x41, end)
    if trace.state:
        found += text(3, trace.state)
    if values:
        found += b"".join([_attribute(name, value) for name, value in values.items()])
    if failure is not None:
        found += _failure(failure, end)
    for trace_id, span_id in links:
        found += block(13, block(1, bytes.fromhex(trace_id)) + block(2, _id(span_id)))
    return found


def _plan(plan: SpanPlan) -> bytes:
    plan.encoded = text(5, plan.name) + b"\x30" + varint(plan.kind) + attributes(9, plan.attributes)
    return plan.encoded


def _failure(failure: Failure, at: int) -> bytes:
    kind, said = failure
    said = redacted(said)[:500]
    found = attribute(9, "error.type", kind) + block(15, (text(2, said) if said else b"") + number(3, _ERROR))
    if not said:
        return found
    event = fixed64(1, at) + text(2, "exception")
    event += attribute(3, "exception.type", kind) + attribute(3, "exception.message", said)
    return found + block(11, event)


_NUMBERS: dict[tuple[str, int], bytes] = {}  # statuses, ports, counts: few, and the same again and again
_MOST_NUMBERS = 2_000


def _attribute(name: str, value: Value) -> bytes:
    if isinstance(value, str):
        return attribute(9, name, value if name in _PLAIN else _told(name, value))
    if type(value) is not int:  # True and 1.0 are the same key as 1
        return attribute(9, name, value)
    written = _NUMBERS.get((name, value))
    if written is None:
        if abs(value) >= SHORTEST_CARD or _secret(name):
            return attribute(9, name, covered if (covered := _told(name, str(value))) != str(value) else value)
        written = attribute(9, name, value)
        if len(_NUMBERS) < _MOST_NUMBERS:
            _NUMBERS[name, value] = written
    return written


_secret = lru_cache(maxsize=2_000)(is_secret)  # names are few, and the same again and again


def _told(name: str, value: str) -> str:
    return COVER if _secret(name) else redacted(value)


_PLAIN = frozenset({"messaging.message.id", "messaging.destination.partition.id", "server.address", "atoll.saga.id"})
