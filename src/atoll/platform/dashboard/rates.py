"""Rate, errors and duration of every operation in the last minute or so, from the services' own histograms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec

from atoll.platform.dashboard.metrics import quantile
from atoll.platform.dashboard.sqlite import Reader

SERVED = "http_server_request_duration_seconds"
CALLED = "http_client_request_duration_seconds"
CONSUMED = "messaging_process_duration_seconds"
BEGUN = "process_start_time_seconds"
_decode = msgspec.json.Decoder().decode


@dataclass(slots=True)
class _Group:
    buckets: dict[float, float] = field(default_factory=dict)
    count: float = 0.0
    errors: float = 0.0


def rates(store: Reader, since: int, until: int, name: str = SERVED) -> list[dict[str, Any]]:
    """For each service and operation: rate (a second), errors (a share), p50 and p99 (seconds), count.

    since, until: nanoseconds since 1970. name: of a histogram. What did not happen in that time is left out.
    """
    groups: dict[tuple[str, str], _Group] = {}
    for service, labels, grown in _growth(store, f"{name}_bucket", since, until):
        bound = float(labels["le"].replace("+Inf", "inf")) if "le" in labels else float("inf")
        group = groups.setdefault((service, operation_of(labels)), _Group())
        group.buckets[bound] = group.buckets.get(bound, 0.0) + grown
        if bound == float("inf"):
            group.count += grown
            group.errors += grown if _failed(labels) else 0.0
    seconds = max((until - since) / 1e9, 1.0)
    return [_rate(*key, group, seconds) for key, group in sorted(groups.items()) if group.count > 0]


def operation_of(labels: Mapping[str, str]) -> str:
    """What a person calls it: the method and route, or the event's subject."""
    method, route = (
        labels.get("http_request_method", ""),
        labels.get("http_route", "") or labels.get("url_template", ""),
    )
    if method or route:
        return f"{method} {route}".strip()
    return labels.get("messaging_destination_name", "") or labels.get("operation", "") or "other"


def _rate(service: str, operation: str, group: _Group, seconds: float) -> dict[str, Any]:
    bounds = sorted(group.buckets)
    cumulative = [group.buckets[bound] for bound in bounds]
    return {
        "service": service,
        "operation": operation,
        "rate": group.count / seconds,
        "errors": group.errors / group.count,
        "count": group.count,
        "p50": quantile(0.5, bounds, cumulative),
        "p99": quantile(0.99, bounds, cumulative),
    }


def _failed(labels: Mapping[str, str]) -> bool:
    status = labels.get("http_response_status_code", "")
    return status.startswith("5") or (not status and bool(labels.get("error_type")))


_IN_TIME = "FROM samples x WHERE x.series = n.id AND x.time BETWEEN :since AND :until"
_GROWTH = f"""
WITH firsts AS MATERIALIZED (
  SELECT service, instance, min(id) AS id FROM series GROUP BY service, instance
), instances AS MATERIALIZED (
  SELECT service, instance, (SELECT min(time) FROM samples WHERE series = f.id) AS known,
    (SELECT max(x.value) * 1e9 FROM series b JOIN samples x ON x.series = b.id AND x.time BETWEEN :since AND :until
     WHERE b.name = :beginnings AND b.service = f.service AND b.instance = f.instance) AS begun FROM firsts f
)
SELECT n.id, n.service, n.labels, known, begun, (SELECT min(time) FROM samples WHERE series = n.id) AS began,
  (SELECT value {_IN_TIME} ORDER BY time LIMIT 1) AS first, (SELECT value {_IN_TIME} ORDER BY time DESC LIMIT 1) AS last,
  (SELECT min(value) {_IN_TIME}) AS lowest, (SELECT max(value) {_IN_TIME}) AS highest
FROM series n JOIN instances USING (service, instance) WHERE n.name = :name
"""  # noqa: S608 - constants


def _growth(store: Reader, name: str, since: int, until: int) -> Iterable[tuple[str, dict[str, str], float]]:
    """By how much each series grew. Its ends tell, unless it fell in between: an hour can be a million samples.

    One that appeared while its instance was known began at 0, and so did all of a process that began in that time: a first
    request counts, not only the second.
    """
    asked = {"name": name, "since": since, "until": until, "beginnings": BEGUN}
    for row in store.rows(_GROWTH, asked):
        if row["last"] is None:
            continue
        fell = row["lowest"] < row["first"] or row["highest"] > row["last"]
        grown = _over_falls(store, row["id"], since, until) if fell else row["last"] - row["first"]
        new = row["known"] < row["began"] or (row["begun"] or 0) >= since
        if new and row["began"] >= since:
            grown += row["first"]
        yield row["service"], _decode(row["labels"]), grown


def _over_falls(store: Reader, series: int, since: int, until: int) -> float:
    """A counter that fell began anew, with its instance."""
    rows = store.rows(
        "SELECT value FROM samples WHERE series = ? AND time BETWEEN ? AND ? ORDER BY time", (series, since, until)
    )
    pairs = pairwise(row["value"] for row in rows)
    return float(sum(later - before if later >= before else later for before, later in pairs))
