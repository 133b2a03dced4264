"""Questions about log records."""

from __future__ import annotations

from typing import Any

import msgspec

from atoll.platform.dashboard.asking import LogQuery
from atoll.platform.dashboard.sqlite import Reader

_decode = msgspec.json.Decoder().decode


def find_logs(store: Reader, query: LogQuery) -> list[dict[str, Any]]:
    """The records that fit, oldest first; without ``after`` the latest of them. id grows in the order of their arrival."""
    where, values = _conditions(query)
    order = "id" if query.after else "time DESC, id DESC"
    rows = store.rows(
        f"""SELECT id, time, service, instance, level, message, lower(hex(trace)) AS trace, lower(hex(span)) AS span, attributes
        FROM logs {where} ORDER BY {order} LIMIT ?""",  # noqa: S608 - the conditions are ours, the values are bound
        (*values, query.limit),
    )
    for row in rows:
        row["attributes"] = _decode(row["attributes"])
    return rows if query.after else rows[::-1]


def _conditions(query: LogQuery) -> tuple[str, list[object]]:
    name, _, value = query.attribute.partition("=")
    parts: list[tuple[bool, str, tuple[object, ...]]] = [
        (bool(query.service), "service = ?", (query.service,)),
        (bool(query.instance), "instance = ?", (query.instance,)),
        (bool(query.text), "instr(lower(message), lower(?))", (query.text,)),
        (bool(name), "CAST(json_extract(attributes, ?) AS TEXT) = ?", (f'$."{name}"', value)),
        (bool(query.trace), "trace = ?", (query.trace,)),
        (bool(query.level), "level >= ?", (query.level,)),
        (bool(query.since), "time >= ?", (query.since,)),
        (bool(query.until), "time <= ?", (query.until,)),
        (bool(query.after), "id > ?", (query.after,)),
        (bool(query.before), "time < ?", (query.before,)),
    ]
    used = [(condition, given) for wanted, condition, given in parts if wanted]
    where = "WHERE " + " AND ".join(condition for condition, _ in used) if used else ""
    return where, [one for _, given in used for one in given]
