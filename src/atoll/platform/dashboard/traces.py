"""Questions about traces: which there are, what one looks like, and who called whom."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from atoll.platform.dashboard.asking import TraceQuery, Unknown
from atoll.platform.dashboard.sqlite import Reader

MOST_SPANS = 20_000  # of one trace that are shown
_SAMPLED = 2_000  # traces that the map is drawn from
_NOTICED = 50_000_000  # ns more than usual that somebody may notice
_decode = msgspec.json.Decoder().decode


def find_traces(store: Reader, query: TraceQuery) -> list[dict[str, Any]]:
    """The traces that fit, the latest (or slowest) first: trace, start, duration (ns), spans, errors, service, name, services."""
    where, values = _conditions(query)
    order = "finish - start DESC" if query.slowest else "start DESC"
    rows = store.rows(
        f"""SELECT lower(hex(trace)) AS trace, start, finish - start AS duration, spans, errors, root_service AS service,
        root_name AS name, rooted, (SELECT json_group_array(json_object('service', service, 'spans', s.spans, 'errors', s.errors))
        FROM trace_services s WHERE s.trace = traces.trace) AS services
        FROM traces {where} ORDER BY {order} LIMIT ?""",  # noqa: S608 - the conditions are ours, the values are bound
        (*values, query.limit),
    )
    for row in rows:
        row["services"] = _decode(row["services"])
        row["rooted"] = bool(row["rooted"])
    return rows


def one_trace(store: Reader, trace: bytes) -> dict[str, Any]:
    """All spans of a trace in the order of their tree, each with its depth; Unknown if there is none of that id."""
    rows = store.rows(
        """SELECT lower(hex(span)) AS span, lower(hex(parent)) AS parent, service, instance, name, kind, start, duration, status,
        message, attributes, events, links FROM spans WHERE trace = ? ORDER BY start, id LIMIT ?""",
        (trace, MOST_SPANS),
    )
    if not rows:
        raise Unknown(f"no trace {trace.hex()} is stored; it was not sampled, or is too old")
    for row in rows:
        row["attributes"] = _decode(row["attributes"])
        row["events"] = _decode(row["events"]) if row["events"] else []
        row["links"] = _decode(row["links"]) if row["links"] else []
    ordered, orphans = _in_order(rows)
    start = min(row["start"] for row in rows)
    finish = max(row["start"] + row["duration"] for row in rows)
    return {
        "trace": trace.hex(),
        "start": start,
        "duration": finish - start,
        "errors": sum(row["status"] == 2 for row in rows),
        "orphans": orphans,
        "skew": _skew(rows),
        "cut": len(rows) == MOST_SPANS,
        "spans": ordered,
    }


def edges(store: Reader, since: int) -> list[dict[str, Any]]:
    """Who called whom in the latest traces since then: source, target, kind, calls, errors, p50 and p99 of the time (ns)."""
    found = store.rows(
        """WITH latest AS (SELECT trace FROM traces WHERE start >= ? ORDER BY start DESC LIMIT ?)
        SELECT p.service AS source, s.service AS target, s.kind = 5 AS event, s.duration, s.status = 2 AS error
        FROM latest JOIN spans s USING (trace) JOIN spans p ON p.trace = s.trace AND p.span = s.parent
        WHERE p.service <> s.service""",
        (since, _SAMPLED),
    )
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in found:
        groups.setdefault((row["source"], row["target"], row["event"]), []).append(row)
    return [_edge(*key, rows) for key, rows in sorted(groups.items())]


def roots(store: Reader, since: int) -> list[dict[str, Any]]:
    """What began the latest traces since then: service, name, traces, errors, p50, p99, slowest (ns), and slow.

    slow: how many took five times as long as half of them, and 50 ms more. A trace takes until its last span ends.
    """
    found = store.rows(
        """SELECT root_service AS service, root_name AS name, finish - start AS duration, errors > 0 AS error
        FROM traces WHERE start >= ? AND rooted ORDER BY start DESC LIMIT ?""",
        (since, MOST_SPANS),
    )
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found:
        groups.setdefault((row["service"], row["name"]), []).append(row)
    return [_root(*key, rows) for key, rows in sorted(groups.items())]


def services(store: Reader, since: int) -> list[dict[str, Any]]:
    """The services that took part in a trace since then, with how many traces and errors."""
    return store.rows(
        """SELECT service, count(*) AS traces, sum(s.errors) AS errors FROM traces JOIN trace_services s USING (trace)
        WHERE start >= ? GROUP BY service ORDER BY service""",
        (since,),
    )


def now() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()


def _conditions(query: TraceQuery) -> tuple[str, list[object]]:
    parts: list[tuple[str, list[object]]] = []
    if query.service:
        found = "EXISTS (SELECT 1 FROM trace_services s WHERE s.trace = traces.trace AND s.service = ?)"
        parts.append((found, [query.service]))
    if query.text:
        parts.append(
            ("(instr(lower(root_name), lower(?)) OR lower(hex(trace)) LIKE lower(?) || '%')", [query.text] * 2)
        )
    if query.attribute:
        name, _, value = query.attribute.partition("=")
        found = """EXISTS (SELECT 1 FROM spans WHERE spans.trace = traces.trace AND instr(attributes, ?)
        AND CAST(json_extract(attributes, ?) AS TEXT) = ?)"""
        parts.append((found, [f'"{name}"', f'$."{name}"', value]))
    if query.errors:
        parts.append(("errors > 0", []))
    if query.at_least:
        parts.append(("finish - start >= ?", [query.at_least]))
    if query.since:
        parts.append(("start >= ?", [query.since]))
    if query.until:
        parts.append(("start <= ?", [query.until]))
    if query.before:
        parts.append(("start < ?", [query.before]))
    where = "WHERE " + " AND ".join(condition for condition, _ in parts) if parts else ""
    return where, [value for _, values in parts for value in values]


def _in_order(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Parents before children, siblings by their start; a span whose parent is missing is shown at the top, and counted."""
    known = {row["span"] for row in rows}
    children: dict[str, list[dict[str, Any]]] = {}
    tops: list[dict[str, Any]] = []
    for row in rows:
        if row["parent"] in known and row["parent"] != row["span"]:
            children.setdefault(row["parent"], []).append(row)
        else:
            tops.append(row)
    ordered = _walk(tops, children)
    reached = {row["span"] for row in ordered}
    circular = [row for row in rows if row["span"] not in reached]  # spans that name each other as parents
    ordered += [{**row, "depth": 0} for row in circular]
    return ordered, sum(bool(row["parent"]) for row in tops) + len(circular)


def _skew(rows: list[dict[str, Any]]) -> int:
    """By how much (ns) a span begins before its parent at the most: so far apart are the clocks of services, or more."""
    starts: dict[str, int] = {row["span"]: row["start"] for row in rows}
    return max([0, *(starts[row["parent"]] - int(row["start"]) for row in rows if row["parent"] in starts)])


def _walk(tops: list[dict[str, Any]], children: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    ordered: list[dict[str, Any]] = []
    waiting = [(row, 0) for row in reversed(tops)]
    while waiting:
        row, depth = waiting.pop()
        ordered.append({**row, "depth": depth})
        waiting += [(child, depth + 1) for child in reversed(children.get(row["span"], ()))]
    return ordered


def _root(service: str, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    durations = sorted(row["duration"] for row in rows)
    usual = durations[len(durations) // 2]
    limit = max(5 * usual, usual + _NOTICED)
    return {
        "service": service,
        "name": name,
        "traces": len(rows),
        "errors": sum(row["error"] for row in rows),
        "p50": usual,
        "p99": durations[min(len(durations) - 1, len(durations) * 99 // 100)],
        "slowest": durations[-1],
        "slow": sum(duration > limit for duration in durations),
    }


def _edge(source: str, target: str, event: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    durations = sorted(row["duration"] for row in rows)
    return {
        "source": source,
        "target": target,
        "kind": "event" if event else "call",
        "calls": len(rows),
        "errors": sum(row["error"] for row in rows),
        "p50": durations[len(durations) // 2],
        "p99": durations[min(len(durations) - 1, len(durations) * 99 // 100)],
    }
