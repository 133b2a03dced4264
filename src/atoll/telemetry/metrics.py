"""Metrics: instruments made at start-up, with their labels, so that counting is an addition and nothing else.

Names and units are OpenTelemetry's; `exposition` writes them as Prometheus does.
"""

from __future__ import annotations

import logging
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

from atoll.service.tracing import Trace

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)  # semconv: http.*.duration
log = logging.getLogger("atoll.telemetry")
_NAME = re.compile(r"[a-zA-Z_][\w.]*", re.ASCII)
Labels = Mapping[str, str]
Kind = Literal["counter", "gauge", "histogram"]
Exemplar = tuple[float, str, int, float]
"""A value, the trace and the span that it comes from, and when (seconds since 1970)."""


class Counter:
    """Only grows."""

    __slots__ = ("labels", "value")

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        """So much more."""
        self.value += amount


class Gauge:
    """Goes up and down. read: asked when somebody looks; without it, the last `set`."""

    __slots__ = ("_said", "labels", "read", "value")

    def __init__(self, labels: Labels, read: Callable[[], float] | None = None) -> None:
        self.labels = labels
        self.read = read
        self.value = 0.0
        self._said = False

    def set(self, value: float) -> None:
        """What it is now."""
        self.value = value

    def now(self, name: str) -> float | None:
        """What it is now; None if it cannot be read, which is logged once until it can. name: by which it is told."""
        try:
            found = float(self.value if self.read is None else self.read())
        except Exception as error:  # whatever somebody's own function raises: it must not take the other metrics along
            self._say(name, error)
            return None
        self._said = False
        return found

    def _say(self, name: str, error: Exception) -> None:
        if not self._said:
            self._said = True
            log.warning("the gauge %s cannot be read, and is left out: %s: %s", name, type(error).__name__, error)


class Histogram:
    """How values are spread. bounds: of its buckets, each with what is at most that; counts has one more, for the rest."""

    __slots__ = ("bounds", "counts", "exemplars", "labels", "total")

    def __init__(self, labels: Labels, bounds: Sequence[float] = SECONDS) -> None:
        self.labels = labels
        self.bounds = sorted({bound for bound in bounds if bound < float("inf")})
        self.counts = [0] * (len(self.bounds) + 1)
        self.exemplars: list[Exemplar | None] = [None] * len(self.counts)
        self.total = 0.0

    def record(self, value: float, trace: Trace | None = None, span_id: int = 0) -> None:
        """One more. trace, span_id: where to look for what it was."""
        place = bisect_left(self.bounds, value)
        self.counts[place] += 1
        self.total += value
        if trace is not None and trace.sampled and trace.recording:
            self.exemplars[place] = (value, trace.id, span_id, time.time())


Instrument = Counter | Gauge | Histogram
_I = TypeVar("_I", Counter, Gauge, Histogram)


class Family:
    """Instruments of one name that differ in their labels alone. unit: UCUM, as OpenTelemetry writes it (``s``, ``By``)."""

    def __init__(self, name: str, kind: Kind, unit: str, about: str) -> None:
        self.name = name
        self.kind = kind
        self.unit = unit
        self.about = about
        self.instruments: dict[tuple[tuple[str, str], ...], Instrument] = {}


class Metrics:
    """All instruments of a process. Asking for one of the same name and labels again gives the same.

    ValueError for a name or a label that would make the page unreadable: it would take all other metrics along.
    """

    def __init__(self) -> None:
        self.started = time.time_ns()
        self._families: dict[str, Family] = {}

    def __iter__(self) -> Iterator[Family]:
        return iter(list(self._families.values()))

    def instruments(self, name: str) -> list[Any]:
        """All of that name."""
        family = self._families.get(name)
        return [] if family is None else list(family.instruments.values())

    def counter(self, name: str, about: str, labels: Labels | None = None, *, unit: str = "1") -> Counter:
        """A counter."""
        return self._made(Family(name, "counter", unit, about), Counter(_checked(name, labels)))

    def gauge(
        self,
        name: str,
        about: str,
        labels: Labels | None = None,
        *,
        unit: str = "1",
        read: Callable[[], float] | None = None,
    ) -> Gauge:
        """A gauge. read: gives its value when somebody looks."""
        return self._made(Family(name, "gauge", unit, about), Gauge(_checked(name, labels), read))

    def histogram(
        self,
        name: str,
        about: str,
        labels: Labels | None = None,
        *,
        unit: str = "s",
        bounds: Sequence[float] = SECONDS,
    ) -> Histogram:
        """A histogram."""
        return self._made(Family(name, "histogram", unit, about), Histogram(_checked(name, labels), bounds))

    def _made(self, family: Family, instrument: _I) -> _I:
        known = self._families.setdefault(family.name, family)
        if known.kind != family.kind:
            raise ValueError(f"{family.name} is a {known.kind} already; give the {family.kind} another name")
        if known is family:
            self._must_be_alone(family.name)
        key = tuple(sorted(instrument.labels.items()))
        return known.instruments.setdefault(key, instrument)  # type: ignore[return-value]  # one family holds one kind

    def _must_be_alone(self, name: str) -> None:
        """A dot and an underscore are the same to Prometheus."""
        for other in self._families:
            if other != name and other.replace(".", "_") == name.replace(".", "_"):
                del self._families[name]
                raise ValueError(f"{name} and {other} are one name to Prometheus; give one of them another")


def _checked(name: str, labels: Labels | None) -> Labels:
    """The labels with their values as text."""
    found = {label: str(value) for label, value in (labels or {}).items()}
    for one in (name, *found):
        if not _NAME.fullmatch(one):
            raise ValueError(
                f"{one!r} (of the metric {name!r}) is no name: letters, digits, _ and . with a letter first"
            )
    if "le" in found:
        raise ValueError(f"{name}: the label le is what buckets are told apart by; name it otherwise")
    if len({label.replace(".", "_") for label in found}) < len(found):
        raise ValueError(f"{name}: two of its labels are one to Prometheus: {', '.join(found)}")
    return found
