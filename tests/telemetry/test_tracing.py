"""Spans: parents, sampling, what is kept, and their form on the wire, read by OpenTelemetry's own messages."""

from __future__ import annotations

from time import time_ns

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from tests.telemetry.collector import attributes

from atoll.service.tracing import CLIENT, SERVER, SpanPlan, current_span, current_tracer, span, traced, within
from atoll.telemetry import Keeping, Metrics, OtlpTracer, SpanQueue
from atoll.telemetry.otlp_spans import encode_resource, encode_spans
from atoll.telemetry.sampling import sampler

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
PLAN = SpanPlan("POST /orders", SERVER, {"http.route": "/orders"})


def sent(queue: SpanQueue) -> list[WireSpan]:
    body = encode_spans(encode_resource({"service.name": "orders"}), queue.take(1000))
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    return list(resource.scope_spans[0].spans)


def test_a_span_continues_the_trace_that_it_came_with() -> None:
    queue = SpanQueue()
    root = OtlpTracer(Metrics(), queue).begin(PLAN, SAMPLED)
    root.leaf(SpanPlan("INSERT orders", CLIENT), time_ns(), {"db.rows": 1})
    root.end()
    leaf, server = sent(queue)
    assert server.trace_id.hex() == leaf.trace_id.hex() == TRACE
    assert server.parent_span_id.hex() == PARENT
    assert leaf.parent_span_id == server.span_id
    assert (server.name, server.kind, server.trace_state) == ("POST /orders", WireSpan.SPAN_KIND_SERVER, "vendor=1")
    assert attributes(server) == {"http.route": "/orders"}
    assert attributes(leaf) == {"db.rows": 1}
    assert server.start_time_unix_nano <= leaf.start_time_unix_nano <= leaf.end_time_unix_nano


def test_ones_own_spans_nest_and_tell_their_failures() -> None:
    queue = SpanQueue()
    token = current_tracer.set(OtlpTracer(Metrics(), queue))
    with pytest.raises(ValueError, match="no"), traced(PLAN), span("price", items=3), span("look"):
        raise ValueError("no: 4111 1111 1111 1111")
    current_tracer.reset(token)
    look, price, root = sent(queue)
    assert look.parent_span_id == price.span_id
    assert price.parent_span_id == root.span_id
    assert root.parent_span_id == b""
    assert look.status.code == WireSpan().status.STATUS_CODE_ERROR
    assert attributes(look) == {"error.type": "ValueError"}
    assert attributes(price)["items"] == 3
    assert "4111" not in str(look)
    assert current_span.get() is None


def test_without_a_tracer_nothing_is_made() -> None:
    with traced(PLAN) as root, span("inner") as inner:
        assert root is None
        assert inner is None


@pytest.mark.parametrize(
    ("name", "headers", "kept"),
    [
        ("parentbased_always_on", None, True),
        ("parentbased_always_on", UNSAMPLED, False),
        ("parentbased_always_off", None, False),
        ("parentbased_always_off", SAMPLED, True),
        ("always_off", SAMPLED, False),
        ("always_on", UNSAMPLED, True),
    ],
)
def test_the_standard_samplers_decide_at_the_head(name: str, headers: dict[str, str] | None, kept: bool) -> None:
    queue = SpanQueue()
    tracer = OtlpTracer(Metrics(), queue, sample=sampler(name), keeping=Keeping(errors=False, slow=0))
    root = tracer.begin(PLAN, headers)
    assert int(root.traceparent[-2:], 16) & 1 == kept
    root.end()
    assert bool(len(queue)) is kept


def test_a_ratio_keeps_its_share_and_all_services_choose_the_same() -> None:
    one, other = sampler("traceidratio", 0.25), sampler("parentbased_traceidratio", 0.25)
    ids = [f"{n * 0x9E3779B97F4A7C15 % 2**64:032x}" for n in range(4000)]
    chosen = [one(trace_id, None) for trace_id in ids]
    assert chosen == [other(trace_id, None) for trace_id in ids]
    assert 0.23 < sum(chosen) / len(ids) < 0.27


def test_errors_and_slow_ones_are_kept_although_the_head_said_no() -> None:
    queue = SpanQueue()
    tracer = OtlpTracer(Metrics(), queue, sample=sampler("always_off"), keeping=Keeping(errors=True, slow=1.0))
    tracer.begin(PLAN).end()
    assert len(queue) == 0
    failing = tracer.begin(PLAN)
    failing.leaf(SpanPlan("inner"), time_ns())
    failing.fail("500")
    failing.end()
    assert len(queue) == 2
    slow = tracer.begin(PLAN)
    slow.start -= 2_000_000_000
    slow.end()
    assert len(queue) == 3


def test_what_programs_poll_begins_no_trace_and_is_part_of_anothers() -> None:
    queue = SpanQueue()
    tracer = OtlpTracer(Metrics(), queue, sample=sampler("parentbased_always_on"), keeping=Keeping())
    plan = SpanPlan("GET /keys", quiet=True)
    tracer.begin(plan).end()
    tracer.begin(plan, UNSAMPLED).end()
    assert len(queue) == 0
    tracer.begin(plan, SAMPLED).end()
    failing = tracer.begin(plan)
    failing.fail("500")
    failing.end()
    assert [one.name for one in sent(queue)] == ["GET /keys", "GET /keys"]


def test_what_ends_after_its_root_shares_its_fate() -> None:
    queue = SpanQueue()
    tracer = OtlpTracer(Metrics(), queue, sample=sampler("always_on"))
    root = tracer.begin(PLAN)
    late = root.child(SpanPlan("after"))
    root.end()
    late.end()
    assert [one.name for one in sent(queue)] == ["POST /orders", "after"]
    tracer = OtlpTracer(Metrics(), queue, sample=sampler("always_off"))
    root = tracer.begin(PLAN)
    late = root.child(SpanPlan("after"))
    root.end()
    late.end()
    assert len(queue) == 0


def test_a_full_queue_drops_whole_traces_and_counts_them() -> None:
    queue = SpanQueue(limit=3)
    tracer = OtlpTracer(Metrics(), queue)
    for _ in range(3):
        root = tracer.begin(PLAN)
        root.leaf(PLAN, time_ns())
        root.end()
    assert len(queue) == 2
    assert queue.dropped == 4


def test_without_a_collector_spans_are_ids_and_durations_alone() -> None:
    metrics = Metrics()
    tracer = OtlpTracer(metrics, None)
    plan = SpanPlan("x", SERVER, {"http.route": "/x"}, metric="http.server.request.duration", labels=("http.route",))
    new, carried = tracer.begin(plan), tracer.begin(plan, SAMPLED)
    assert new.traceparent.endswith("-02")  # its id is random, and it is not sampled
    assert carried.traceparent.endswith("-01")  # another's decision is passed on
    with within(new):
        pass
    (family,) = metrics
    (histogram,) = family.instruments.values()
    assert histogram.labels == {"http.route": "/x"}
    assert not new.trace.recording
