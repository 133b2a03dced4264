"""Spans, as every room makes them: whoever finds a current span adds to its trace and needs to know nothing of exporters.

A `Trace` is the part of a trace that this process makes below one local root. Its finished spans are plain tuples in a list,
and whoever began it (`current_tracer`) decides at the end of the root what becomes of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from random import getrandbits
from time import time_ns
from typing import Any, Protocol

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5  # OTLP's span kinds
Value = str | int | float | bool
Attributes = Mapping[str, Value]
Failure = tuple[str, str]
"""What kind of error it was, and what it said."""
Context = tuple[str, int]
"""A span elsewhere: its trace's id (32 hexadecimal digits) and its own."""


class Watch(Protocol):
    """Counts what has ended, by how it ended."""

    def record(self, outcome: str, seconds: float, trace: Trace, span_id: int, /) -> None:
        """One more. outcome: a status or a failure's kind; empty for what went well."""


class SpanPlan:
    """What is the same for all spans of one place in the code, made at start-up.

    attributes: of every span of it. metric: the histogram of how long they take, labelled with ``labels`` (some of the
    attributes) and, under the name ``outcome``, with how each of them ended; without one they are not counted.
    quiet: begins no sampled trace by itself; part of another's it is sampled as that is.
    encoded, watch: room for the exporter, and for the tracer.
    """

    __slots__ = ("attributes", "encoded", "kind", "labels", "metric", "name", "outcome", "quiet", "watch")

    def __init__(
        self,
        name: str,
        kind: int = INTERNAL,
        attributes: Attributes | None = None,
        *,
        metric: str = "",
        labels: tuple[str, ...] = (),
        outcome: str = "error.type",
        quiet: bool = False,
    ) -> None:
        self.name = name
        self.quiet = quiet
        self.kind = kind
        self.attributes = attributes or {}
        self.metric = metric
        self.labels = labels
        self.outcome = outcome
        self.encoded = b""
        self.watch: Watch | None = None


Finished = tuple["Trace", int, int, SpanPlan, int, int, dict[str, Value] | None, Failure | None, tuple[Context, ...]]
"""A span that has ended: trace, id, parent's id (0: none), plan, start and end (ns since 1970), attributes, failure, links."""


class Sink(Protocol):
    """Where finished spans go: a list until the root ends, then a queue or nothing."""

    def append(self, span: Finished, /) -> None:
        """Takes it."""


class Tracer(Protocol):
    """Begins local roots, and decides what becomes of them. plans: room for those that are only made while it runs."""

    plans: dict[str, SpanPlan]

    def begin(self, plan: SpanPlan, headers: Mapping[str, str] | None = None) -> Span:
        """A span that continues the trace of these headers; without one, the first of a new trace."""
        ...

    def watch(self, plan: SpanPlan) -> Watch:
        """What counts the spans of this plan; it is put there as well."""
        ...

    def ended(self, trace: Trace, took: int) -> None:
        """The local root of this trace has ended after so many nanoseconds."""


_FLAGS = ("00", "01", "02", "03")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


class Trace:
    """id: 32 hexadecimal digits. sampled: what the ``traceparent`` says.

    flags: all that it says. recording: whether spans are kept until the end.
    state: ``tracestate``. failed: whether something in it went wrong.
    """

    __slots__ = ("failed", "flags", "id", "recording", "sampled", "spans", "state", "tracer")

    def __init__(
        self, tracer: Tracer, trace_id: str, *, sampled: bool, recording: bool, random: bool = True, state: str = ""
    ) -> None:
        self.tracer = tracer
        self.id = trace_id
        self.sampled = sampled
        self.flags = _FLAGS[sampled + 2 * random]
        self.recording = recording
        self.state = state
        self.failed = False
        self.spans: Sink = []


class Span:
    """Something that takes time. `end` it once; what it was told until then goes with it.

    outcome: how it ended, for its metric, if that is not its failure (a status, say).
    """

    __slots__ = ("attributes", "failure", "id", "links", "outcome", "parent", "plan", "root", "start", "trace")

    def __init__(self, trace: Trace, plan: SpanPlan, parent: int, *, root: bool = False) -> None:
        self.trace = trace
        self.plan = plan
        self.parent = parent
        self.root = root
        self.id = getrandbits(64) or 1
        self.attributes: dict[str, Value] | None = None
        self.failure: Failure | None = None
        self.links: tuple[Context, ...] = ()
        self.outcome = ""
        self.start = time_ns()

    @property
    def traceparent(self) -> str:
        """The W3C header that makes others its children."""
        return traceparent(self.trace, self.id)

    def set(self, name: str, value: Value) -> None:
        """Adds an attribute. Personal data and secrets do not belong here."""
        if self.attributes is None:
            self.attributes = {}
        self.attributes[name] = value

    def fail(self, error: BaseException | str) -> None:
        """It went wrong; so did its trace."""
        self.failure = failure_of(error)
        self.trace.failed = True

    def child(self, plan: SpanPlan) -> Span:
        """A span below this one, from now on."""
        return Span(self.trace, plan, self.id)

    def leaf(
        self,
        plan: SpanPlan,
        start: int,
        attributes: dict[str, Value] | None = None,
        failure: Failure | None = None,
        span_id: int = 0,
    ) -> None:
        """A span without anything below it in this process, from ``start`` (ns) until now. span_id: if others know it."""
        trace, now = self.trace, time_ns()
        own = span_id or getrandbits(64) or 1
        if plan.metric:
            watch = plan.watch or trace.tracer.watch(plan)
            watch.record("" if failure is None else failure[0], (now - start) / 1e9, trace, own)
        if trace.recording:
            trace.spans.append((trace, own, self.id, plan, start, now, attributes, failure, ()))

    def end(self) -> None:
        """It is over."""
        trace, plan, failure, now = self.trace, self.plan, self.failure, time_ns()
        took = now - self.start
        if plan.metric:
            watch = plan.watch or trace.tracer.watch(plan)
            watch.record(self.outcome or ("" if failure is None else failure[0]), took / 1e9, trace, self.id)
        if trace.recording:
            trace.spans.append(
                (trace, self.id, self.parent, plan, self.start, now, self.attributes, failure, self.links)
            )
            if self.root:
                trace.tracer.ended(trace, took)


current_span: ContextVar[Span | None] = ContextVar("atoll_current_span", default=None)
"""The span that this task works in; None where nothing is traced."""

current_tracer: ContextVar[Tracer | None] = ContextVar("atoll_current_tracer", default=None)
"""What begins traces in this process; set before its parts are started, so that all of their tasks inherit it."""


MOST_PLANS = 2_000  # names that are only known while it runs; more are made anew each time, so that memory is bounded


def kept_plan(key: str, make: Callable[[], SpanPlan]) -> SpanPlan:
    """The plan of that key, made when first needed: for what has its name only at run time."""
    tracer = current_tracer.get()
    plans = {} if tracer is None else tracer.plans
    found = plans.get(key)
    if found is None:
        found = make()
        if len(plans) < MOST_PLANS:
            plans[key] = found
    return found


def recording_span() -> Span | None:
    """The current span, if what is added to it is kept."""
    span = current_span.get()
    return span if span is not None and span.trace.recording else None


def context_of(header: str) -> Context | None:
    """What a ``traceparent`` that came with a message or was stored points at; None if it is none."""
    found = _TRACEPARENT.fullmatch(header)
    return (found[1], int(found[2], 16)) if found else None


def traceparent(trace: Trace, span_id: int) -> str:
    """The W3C header that makes others children of that span."""
    return f"00-{trace.id}-{span_id:016x}-{trace.flags}"


def failure_of(error: BaseException | str) -> Failure:
    """The error's kind, by which failures are counted, and its first line: a database puts a row's values into the others."""
    return (error, "") if isinstance(error, str) else (type(error).__qualname__, str(error).partition("\n")[0])


class traced:  # noqa: N801 - read as a verb: with traced(plan, headers) as span
    """A local root around some work that came with these headers; an exception makes it fail. None where nothing traces."""

    __slots__ = ("_headers", "_plan", "_span", "_token")

    def __init__(self, plan: SpanPlan, headers: Mapping[str, str] | None = None) -> None:
        self._plan = plan
        self._headers = headers
        self._span: Span | None = None

    def __enter__(self) -> Span | None:
        tracer = current_tracer.get()
        if tracer is not None:
            self._span = tracer.begin(self._plan, self._headers)
            self._token = current_span.set(self._span)
        return self._span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._span is not None:
            if error is not None:
                self._span.fail(error)
            current_span.reset(self._token)
            self._span.end()


@contextmanager
def span(name: str, **attributes: Value) -> Iterator[Span | None]:
    """A span of one's own below the current one: ``with span("price the basket", items=3):``. None where nothing is recorded."""
    above = recording_span()
    if above is None:
        yield None
        return
    with within(above.child(SpanPlan(name))) as found:
        if attributes:
            found.attributes = attributes
        yield found


@contextmanager
def within(span: Span) -> Iterator[Span]:
    """Makes it the current span and ends it afterwards; an exception makes it fail."""
    token = current_span.set(span)
    try:
        yield span
    except BaseException as error:
        span.fail(error)
        raise
    finally:
        current_span.reset(token)
        span.end()


def trace_headers(current: Mapping[str, Any] | None) -> dict[str, str]:
    """``traceparent`` and ``tracestate`` for what goes out now; where nothing traces, those that came in with ``current``."""
    span = current_span.get()
    if span is None:
        names = ("traceparent", "tracestate")
        return {} if current is None else {name: value for name in names if (value := current.get(name)) is not None}
    return span_headers(span)


def span_headers(span: Span) -> dict[str, str]:
    """``traceparent`` and ``tracestate`` that make others the span's children."""
    headers = {"traceparent": span.traceparent}
    if span.trace.state:
        headers["tracestate"] = span.trace.state
    return headers
