"""What the store keeps: spans, log records and samples of metrics, each as one flat row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_ROW = 200  # bytes of one without its texts
ERROR = 2  # a span's status, as OTLP counts: 0 unset, 1 ok, 2 error


class Span(NamedTuple):
    """One span. trace: 16 bytes, span and parent: 8 bytes; parent is empty at a root. start, duration: nanoseconds.

    start counts from 1970. kind: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. attributes, events and
    links are JSON text; the last two are empty where there are none.
    """

    trace: bytes
    span: bytes
    parent: bytes
    service: str
    instance: str
    name: str
    kind: int
    start: int
    duration: int
    status: int
    message: str
    attributes: str
    events: str
    links: str


class Log(NamedTuple):
    """One log record. time: nanoseconds since 1970; level: OTLP's number (9 info, 13 warn, 17 error); trace may be empty."""

    time: int
    service: str
    instance: str
    level: int
    message: str
    trace: bytes
    span: bytes
    attributes: str


class Sample(NamedTuple):
    """A metric's value at a time (nanoseconds since 1970). labels: JSON text, sorted by name, without the service's.

    exemplar: the trace of a request that was counted here, if the service told one.
    """

    time: int
    service: str
    instance: str
    name: str
    labels: str
    value: float
    exemplar: bytes = b""


class Batch(NamedTuple):
    """What one sender sent at once."""

    spans: tuple[Span, ...] = ()
    logs: tuple[Log, ...] = ()
    samples: tuple[Sample, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows it is."""
        return len(self.spans) + len(self.logs) + len(self.samples)

    @property
    def weight(self) -> int:
        """About how many bytes it takes, in memory as in the file: a row can be a line, or some megabytes."""
        texts = sum(
            len(one.name) + len(one.message) + len(one.attributes) + len(one.events) + len(one.links)
            for one in self.spans
        )
        texts += sum(len(one.message) + len(one.attributes) for one in self.logs)
        return texts + sum(len(one.labels) for one in self.samples) + _ROW * self.rows


def joined(batches: Sequence[Batch]) -> Batch:
    """All of them as one."""
    return Batch(
        tuple(span for batch in batches for span in batch.spans),
        tuple(record for batch in batches for record in batch.logs),
        tuple(sample for batch in batches for sample in batch.samples),
    )
