"""`OtlpTracer`: begins traces, and hands those that are kept to a bounded queue. It never waits and never fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from random import getrandbits

from atoll.service.tracing import Finished, Span, SpanPlan, Trace, Watch
from atoll.telemetry.context import read_context
from atoll.telemetry.metrics import Histogram, Metrics
from atoll.telemetry.sampling import Keeping, Sample, sampler

QUEUE = 16_384  # spans


class SpanQueue:
    """Finished spans on their way out. dropped: those that had no place, because nobody takes them fast enough."""

    def __init__(self, limit: int = QUEUE) -> None:
        self._limit = limit
        self._spans: deque[Finished] = deque()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._spans)

    def append(self, span: Finished) -> None:
        """One that ended after its root."""
        if len(self._spans) < self._limit:
            self._spans.append(span)
        else:
            self.dropped += 1

    def extend(self, spans: list[Finished]) -> None:
        """All of a trace, or none: half of it tells nothing."""
        if len(self._spans) + len(spans) <= self._limit:
            self._spans.extend(spans)
        else:
            self.dropped += len(spans)

    def take(self, most: int) -> list[Finished]:
        """The oldest."""
        take = self._spans.popleft
        return [take() for _ in range(min(most, len(self._spans)))]


class _Nowhere:
    def append(self, _: Finished) -> None:
        """A span of a trace that is not kept."""


_NOWHERE = _Nowhere()


class Timings:
    """Implements `Watch`: a histogram of how long spans of one plan take, for each way in which they ended."""

    def __init__(self, metrics: Metrics, plan: SpanPlan) -> None:
        self._metrics = metrics
        self._plan = plan
        self._labels = {name: str(plan.attributes[name]) for name in plan.labels if name in plan.attributes}
        self._found: dict[str, Histogram] = {}

    def record(self, outcome: str, seconds: float, trace: Trace, span_id: int) -> None:
        """One more."""
        found = self._found.get(outcome)
        if found is None:
            found = self._found[outcome] = self._made(outcome)
        found.record(seconds, trace, span_id)

    def _made(self, outcome: str) -> Histogram:
        labels = {**self._labels, self._plan.outcome: outcome} if outcome else self._labels
        return self._metrics.histogram(self._plan.metric, f"How long a {self._plan.metric[:-9]} takes.", labels)


class OtlpTracer:
    """Implements `Tracer`. sample: decides at the head. keeping: what is kept although that said no.

    metrics: where durations are counted. queue: where kept spans go; None records nothing, so that spans are only ids for
    logs and headers, and durations.
    """

    def __init__(
        self, metrics: Metrics, queue: SpanQueue | None, *, sample: Sample | None = None, keeping: Keeping | None = None
    ) -> None:
        self.plans: dict[str, SpanPlan] = {}
        self._metrics = metrics
        self._queue = queue
        self._sample = sample or sampler("parentbased_always_on")
        keeping = keeping or Keeping()
        self._errors = keeping.errors
        self._slow = keeping.slow * 1e9 if keeping.slow > 0 else float("inf")
        self._suspicious = keeping.anything

    def begin(self, plan: SpanPlan, headers: Mapping[str, str] | None = None) -> Span:
        """A local root that continues the trace of these headers; without one, the first of a new trace."""
        remote = None if headers is None else read_context(headers)
        if remote is None:
            trace_id, parent, random, state = f"{getrandbits(128) or 1:032x}", 0, True, ""
            sampled = not plan.quiet and self._sample(trace_id, None)
        else:
            trace_id, parent, asked, random, state = remote
            sampled = self._sample(trace_id, asked)
        if (
            self._queue is None
        ):  # with nobody to take spans, a new trace is not sampled; another's decision is passed on
            sampled, recording = sampled and remote is not None, False
        else:
            recording = sampled or self._suspicious
        trace = Trace(self, trace_id, sampled=sampled, recording=recording, random=random, state=state)
        return Span(trace, plan, parent, root=True)

    def watch(self, plan: SpanPlan) -> Watch:
        """What counts the spans of this plan; it is put there as well."""
        plan.watch = Timings(self._metrics, plan)
        return plan.watch

    def ended(self, trace: Trace, took: int) -> None:
        """Keeps the trace's spans, or not."""
        spans, queue = trace.spans, self._queue
        if queue is not None and (trace.sampled or (self._errors and trace.failed) or took >= self._slow):
            trace.spans = queue
            if isinstance(spans, list):
                queue.extend(spans)
        else:
            trace.spans = _NOWHERE
