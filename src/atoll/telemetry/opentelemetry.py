"""Libraries that make spans with `opentelemetry.trace` join the same traces: its current span is ours, and its spans become ours.

Only its API is needed. What has no place in our spans (events other than an exception) is left out.
"""
# ruff: noqa: ARG002 - the signatures are the API's

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context.context import Context, _RuntimeContext

from atoll.service.tracing import Span, SpanPlan, Value, current_span, current_tracer

_attached: ContextVar[Context | None] = ContextVar("atoll_opentelemetry_context", default=None)


def install() -> None:
    """For the whole process, unless it has a tracer provider already."""
    if trace._TRACER_PROVIDER is None:  # the API has no public way to ask
        trace.set_tracer_provider(_Provider())
        otel_context._RUNTIME_CONTEXT = _Runtime()  # its own way in is an entry point, read when it is imported


class JoinedSpan(trace.Span):
    """One of our spans, as OpenTelemetry's API knows spans."""

    def __init__(self, span: Span) -> None:
        self.span = span

    def end(self, end_time: int | None = None) -> None:
        """It is over."""
        self.span.end()

    def get_span_context(self) -> trace.SpanContext:
        """Its ids."""
        found = self.span.trace
        flags, state = trace.TraceFlags(int(found.flags, 16)), trace.TraceState.from_header([found.state])
        return trace.SpanContext(int(found.id, 16), self.span.id, is_remote=False, trace_flags=flags, trace_state=state)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Adds them."""
        for name, value in attributes.items():
            self.set_attribute(name, value)

    def set_attribute(self, key: str, value: Any) -> None:
        """Adds it."""
        self.span.set(key, _plain(value))

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """There is no place for it."""

    def update_name(self, name: str) -> None:
        """Another name."""
        plan = self.span.plan
        self.span.plan = SpanPlan(name, plan.kind, plan.attributes)

    def is_recording(self) -> bool:
        """Whether what is added is kept."""
        return self.span.trace.recording

    def set_status(self, status: trace.Status | trace.StatusCode, description: str | None = None) -> None:
        """An error is one; other statuses say nothing."""
        code = status.status_code if isinstance(status, trace.Status) else status
        if code is trace.StatusCode.ERROR and self.span.failure is None:
            self.span.fail("error")

    def record_exception(
        self, exception: BaseException, attributes: Any = None, timestamp: int | None = None, escaped: bool = False
    ) -> None:
        """It failed."""
        self.span.fail(exception)


class _Tracer(trace.Tracer):
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[trace.Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> trace.Span:
        told = {key: _plain(value) for key, value in (attributes or {}).items()}
        made = _begun(SpanPlan(name, kind.value + 1), trace.get_current_span(context))
        if made is None:
            return trace.INVALID_SPAN
        made.attributes = told or None
        made.links = tuple((f"{one.context.trace_id:032x}", one.context.span_id) for one in links or ())
        if start_time is not None:
            made.start = start_time
        return JoinedSpan(made)

    @contextmanager
    def start_as_current_span(self, name: str, *args: Any, **options: Any) -> Iterator[trace.Span]:  # type: ignore[override]
        ends = options.pop("end_on_exit", True)
        with trace.use_span(self.start_span(name, *args, **options), end_on_exit=ends) as span:
            yield span


class _Provider(trace.TracerProvider):
    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return _Tracer()


class _Runtime(_RuntimeContext):
    """Where the API keeps its context: our current span always stands in it."""

    def attach(self, context: Context) -> Token[Context]:
        inner = trace.get_current_span(context)
        span = inner.span if isinstance(inner, JoinedSpan) else current_span.get()
        return (_attached.set(context), current_span.set(span))  # type: ignore[return-value]  # opaque to its users

    def get_current(self) -> Context:
        context = _attached.get() or Context()
        mine, inner = current_span.get(), trace.get_current_span(context)
        if mine is None or (isinstance(inner, JoinedSpan) and inner.span is mine):
            return context
        return trace.set_span_in_context(JoinedSpan(mine), context)

    def detach(self, token: Token[Context]) -> None:
        pair: Any = token
        current_span.reset(pair[1])
        _attached.reset(pair[0])


def _begun(plan: SpanPlan, above: trace.Span) -> Span | None:
    if isinstance(above, JoinedSpan):
        return above.span.child(plan)
    tracer, remote = current_tracer.get(), above.get_span_context()
    if tracer is None:
        return None
    if not remote.is_valid:
        return tracer.begin(plan)
    return tracer.begin(
        plan, {"traceparent": f"00-{remote.trace_id:032x}-{remote.span_id:016x}-{remote.trace_flags:02x}"}
    )


def _plain(value: Any) -> Value:
    return value if isinstance(value, (str, bool, int, float)) else str(value)
