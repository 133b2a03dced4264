"""Metrics as Prometheus reads them: its text format, or OpenMetrics, which has room for exemplars.

https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from atoll.telemetry.metrics import Counter, Exemplar, Family, Gauge, Histogram, Labels, Metrics

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_UNITS = {"s": "seconds", "By": "bytes", "1": ""}
_WRONG = re.compile(r"[^a-zA-Z0-9_]")


def page(metrics: Metrics, accept: str) -> tuple[str, bytes]:
    """Content type and text for a scraper that accepts this."""
    modern = "application/openmetrics-text" in accept
    lines = [line for family in metrics for line in _family(family, modern)]
    if modern:
        lines.append("# EOF")
    return OPENMETRICS if modern else PROMETHEUS, ("\n".join(lines) + "\n").encode(errors="replace")


def prometheus_name(family: Family) -> str:
    """``http.server.request.duration`` in seconds is ``http_server_request_duration_seconds``."""
    name, unit = _WRONG.sub("_", family.name), _UNITS.get(family.unit, "")
    return name if not unit or name.endswith(f"_{unit}") else f"{name}_{unit}"


def _family(family: Family, modern: bool) -> Iterator[str]:
    name = prometheus_name(family)
    sample = f"{name}_total" if family.kind == "counter" else name
    head = name if modern else sample
    yield f"# HELP {head} {_escaped(family.about) if modern else _escaped_help(family.about)}"
    yield f"# TYPE {head} {family.kind}"
    for one in list(family.instruments.values()):
        if isinstance(one, Counter):
            if one.value >= 0:  # one that somebody made less than nothing, or NaN, makes the whole page unreadable
                yield f"{sample}{_labels(one.labels)} {_number(one.value)}"
        elif isinstance(one, Gauge):
            if (value := one.now(family.name)) is not None:
                yield f"{name}{_labels(one.labels)} {_number(value)}"
        else:
            yield from _histogram(name, one, _exemplar if modern else _nothing)


def _histogram(name: str, one: Histogram, exemplar: Callable[[Exemplar | None], str]) -> Iterator[str]:
    seen = 0
    bounds = [*map(_number, one.bounds), "+Inf"]
    for bound, count, example in zip(bounds, one.counts, one.exemplars, strict=True):
        seen += count
        yield f"{name}_bucket{_labels({**one.labels, 'le': bound})} {seen}{exemplar(example)}"
    if one.total >= 0 and math.isfinite(
        one.total
    ):  # a sum of less than nothing may not be told, nor a count without it
        yield f"{name}_count{_labels(one.labels)} {seen}"
        yield f"{name}_sum{_labels(one.labels)} {_number(one.total)}"


def _exemplar(example: Exemplar | None) -> str:
    if example is None:
        return ""
    value, trace_id, span_id, at = example
    return f' # {{trace_id="{trace_id}",span_id="{span_id:016x}"}} {_number(value)} {at:.3f}'


def _nothing(_: Exemplar | None) -> str:
    return ""


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{_WRONG.sub("_", name)}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escaped_help(text: str) -> str:
    """The older format has no escape for a quotation mark here, and strict readers refuse one."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return repr(float(value)).replace("inf", "Inf").replace("nan", "NaN")
