"""Questions about metrics: which there are, how they went, and what a service's rate, errors and times are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from atoll.platform.dashboard.asking import Wrong, moment, span_of_time
from atoll.platform.dashboard.sqlite import Reader
from atoll.platform.dashboard.traces import now

MOST_SERIES = 500  # that one answer holds
_DEFAULT_STEP = 5 * 10**9
_MOST_STEPS = 2_000
_MOST_SAMPLES = 400_000  # that one answer is made from
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """What to draw. show: value (gauges), rate (counters, a second), p50 to p99 (histograms, by their name without _bucket).

    by: labels that tell the lines apart; all others are summed. where: label -> its value. since, until, step: nanoseconds.
    """

    name: str
    show: str = "value"
    service: str = ""
    by: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    since: int = 0
    until: int = 0
    step: int = _DEFAULT_STEP


def metric_query(query: Mapping[str, str]) -> MetricQuery:
    """The query of a URL; Wrong if a value is no such thing."""
    name = query.get("name", "")
    show = query.get("show", "value")
    if not name:
        raise Wrong("name is missing; /api/metrics lists the names")
    if show not in {"value", "rate", *_QUANTILES}:
        raise Wrong(f"show is {show[:40]!r}; take one of value, rate, {', '.join(_QUANTILES)}")
    until = moment(query, "until") or now()
    since = moment(query, "since") or until - 15 * 60 * 10**9
    step = max(span_of_time(query, "step") or _DEFAULT_STEP, 10**9, (until - since) // _MOST_STEPS)
    return MetricQuery(
        name, show, query.get("service", ""), _words(query.get("by", "")), _pairs(query), since, until, step
    )


def metric_names(store: Reader) -> list[dict[str, Any]]:
    """Every metric: name, services, labels, series. The three of a histogram count as one, of the kind `histogram`."""
    rows = store.rows("SELECT name, service, labels FROM series ORDER BY name")
    names = {row["name"] for row in rows}
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        base = _base(row["name"], names)
        kind = "histogram" if base != row["name"] else ("counter" if base.endswith("_total") else "gauge")
        entry = found.setdefault(base, {"name": base, "kind": kind, "services": set(), "labels": set(), "series": 0})
        entry["services"].add(row["service"])
        entry["labels"] |= _decode(row["labels"]).keys() - {"le"}
        entry["series"] += 1
    return [{**one, "services": sorted(one["services"]), "labels": sorted(one["labels"])} for one in found.values()]


def draw(store: Reader, query: MetricQuery) -> dict[str, Any]:
    """Lines to draw: times (ns) and, for each line, its labels and values (null where there was none), and exemplars."""
    histogram = query.show in _QUANTILES
    times = list(range(query.since - query.since % query.step, query.until + 1, query.step))
    lines: dict[tuple[str, ...], dict[float, list[float | None]]] = {}
    exemplars: list[dict[str, Any]] = []
    for labels, service, samples in _series(store, query, f"{query.name}_bucket" if histogram else query.name):
        key = tuple(service if name == "service" else labels.get(name, "") for name in query.by)
        bound = float(labels["le"].replace("+Inf", "inf")) if histogram and "le" in labels else 0.0
        values = _rates(samples, times, query.step) if query.show != "value" else _levels(samples, times, query.step)
        group = lines.setdefault(key, {})
        group[bound] = _sum(group[bound], values) if bound in group else values
        exemplars += [{"time": at, "trace": trace.hex()} for at, _, trace in samples if trace]
    made = [
        {"labels": dict(zip(query.by, key, strict=True)), "values": _line(group, query.show)}
        for key, group in sorted(lines.items())
    ]
    return {"name": query.name, "show": query.show, "times": times, "lines": made, "exemplars": exemplars[-200:]}


def _series(
    store: Reader, query: MetricQuery, name: str
) -> Iterable[tuple[dict[str, str], str, list[tuple[int, float, bytes]]]]:
    rows = store.rows(
        "SELECT id, service, labels FROM series WHERE name = ? AND (? = '' OR service = ?)",
        (name, query.service, query.service),
    )
    wanted = []
    for row in rows:
        labels = _decode(row["labels"])
        if all(labels.get(label) == value for label, value in query.where):
            wanted.append((labels, row))
    if len(wanted) > MOST_SERIES * 20:
        raise Wrong(f"{name} has {len(wanted)} series; narrow it with service= or where=")
    budget = _MOST_SAMPLES
    for labels, row in wanted:
        samples = store.rows(
            "SELECT time, value, exemplar FROM samples WHERE series = ? AND time BETWEEN ? AND ? ORDER BY time LIMIT ?",
            (row["id"], query.since - 4 * query.step, query.until, budget),
        )
        budget -= len(samples)
        yield labels, row["service"], [(one["time"], one["value"], one["exemplar"]) for one in samples]


def _rates(samples: list[tuple[int, float, bytes]], times: list[int], step: int) -> list[float | None]:
    """A counter's growth a second in each step; one that fell began anew."""
    grown = [0.0] * len(times)
    seen = [False] * len(times)
    for (earlier, before, _), (later, after, _) in pairwise(samples):
        at = (later - times[0]) // step
        if 0 <= at < len(times) and later > earlier:
            grown[at] += after - before if after >= before else after
            seen[at] = True
    return [value / (step / 1e9) if known else None for value, known in zip(grown, seen, strict=True)]


def _levels(samples: list[tuple[int, float, bytes]], times: list[int], step: int) -> list[float | None]:
    """A gauge's last value in each step."""
    values: list[float | None] = [None] * len(times)
    for time, value, _ in samples:
        at = (time - times[0]) // step
        if 0 <= at < len(times):
            values[at] = value
    return values


def _sum(one: list[float | None], other: list[float | None]) -> list[float | None]:
    return [a if b is None else b if a is None else a + b for a, b in zip(one, other, strict=True)]


def _line(group: dict[float, list[float | None]], show: str) -> list[float | None]:
    if show not in _QUANTILES:
        return [_finite(value) for value in group[0.0]]
    bounds = sorted(group)
    columns = zip(*(group[bound] for bound in bounds), strict=True)
    return [quantile(_QUANTILES[show], bounds, [value or 0.0 for value in column]) for column in columns]


def quantile(share: float, bounds: list[float], cumulative: list[float]) -> float | None:
    """Prometheus's histogram_quantile: interpolated within the bucket; in the endless one the last bound; None of nothing."""
    total = cumulative[-1] if cumulative else 0.0
    if total <= 0:
        return None
    rank = share * total
    lower = below = 0.0
    for bound, count in zip(bounds, cumulative, strict=True):
        if count >= rank:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * ((rank - below) / (count - below) if count > below else 1.0)
        lower, below = bound, count
    return lower


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _base(name: str, names: set[str]) -> str:
    for suffix in ("_bucket", "_sum", "_count"):
        base = name.removesuffix(suffix)
        if base != name and f"{base}_bucket" in names:
            return base
    return name


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)[:8]


def _pairs(query: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = []
    for pair in _words(query.get("where", "")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise Wrong(f"where is {pair[:40]!r}; write it as http_route=/orders")
        found.append((name, value))
    return tuple(found)
