"""Spans of libraries that use OpenTelemetry's API, and ours, in one trace. In a process of its own: it is set for good."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio
from opentelemetry import trace
from opentelemetry.propagate import inject
from atoll.service.tracing import SERVER, SpanPlan, current_tracer, span, traced
from atoll.telemetry import Metrics, OtlpTracer, SpanQueue
from atoll.telemetry.opentelemetry import install

install()
queue = SpanQueue()
current_tracer.set(OtlpTracer(Metrics(), queue))
theirs = trace.get_tracer("library")

async def work():
    with traced(SpanPlan("POST /orders", SERVER)) as root:
        assert trace.get_current_span().get_span_context().span_id == root.id
        with theirs.start_as_current_span("their", kind=trace.SpanKind.CLIENT, attributes={"a": 1}) as their:
            with span("our inner"):
                with theirs.start_as_current_span("their inner"):
                    headers = {}
                    inject(headers)
            their.set_attribute("b", [1, 2])
        assert trace.get_current_span().get_span_context().span_id == root.id
        try:
            with theirs.start_as_current_span("failing"):
                raise ValueError("no")
        except ValueError:
            pass
    assert headers["traceparent"].startswith(f"00-{root.trace.id}-")
    assert not trace.get_current_span().get_span_context().is_valid
    with theirs.start_as_current_span("alone"):
        pass

asyncio.run(work())
spans = {one[3].name: one for one in queue.take(100)}
ids = {one[1]: name for name, one in spans.items()}
print({name: ids.get(one[2], "") for name, one in spans.items()})
print(spans["their"][3].kind, spans["their"][6], spans["failing"][7])
"""


def test_spans_of_both_are_parents_and_children_of_one_another() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    tree, told = ran.stdout.splitlines()
    assert tree == str(
        {
            "their inner": "our inner",
            "our inner": "their",
            "their": "POST /orders",
            "failing": "POST /orders",
            "POST /orders": "",
            "alone": "",
        }
    )
    assert told == "3 {'a': 1, 'b': '[1, 2]'} ('ValueError', 'no')"
