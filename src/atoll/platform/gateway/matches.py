"""How Envoy finds the route of a request: path, method and, for streams and websockets, what it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from atoll.platform.gateway.entries import PARAMETER, Entry
from atoll.platform.gateway.typed import safe_regex

EVENTS = ({"name": "accept", "string_match": {"contains": "text/event-stream"}},)
# Exactly what Envoy takes for an upgrade; HTTP/2's extended CONNECT looks the same by then.
WEBSOCKET = (
    {"name": "upgrade", "string_match": {"exact": "websocket", "ignore_case": True}},
    {"name": "connection", "string_match": safe_regex(r"(?i)(.*,)?\s*upgrade\s*(,.*)?")},
)


def route_match(entry: Entry, headers: Iterable[Mapping[str, Any]] = (), *, any_method: bool = False) -> dict[str, Any]:
    """The entry's matcher. headers: more that must match. any_method: whatever the method."""
    needed = list(headers)
    if entry.method and not any_method:
        needed.append({"name": ":method", "string_match": {"exact": entry.method}})
    return {**_path_match(entry), **({"headers": needed} if needed else {})}


def path_regex(path: str) -> str:
    """The RE2 pattern of a path template: each parameter is one segment that is not empty."""
    parts = [re.escape(part) for part in PARAMETER.split(path)]
    return "[^/]+".join(parts)


def covers(entry: Entry, path: str) -> bool:
    """Whether the entry's template matches a path (itself perhaps a template)."""
    return re.fullmatch(path_regex(entry.path), path) is not None


def prefix_rewrite(entry: Entry) -> dict[str, Any]:
    """Takes the prefix off; what remains keeps its first slash (a plain ``prefix_rewrite`` to "/" would double it)."""
    if not entry.strip:
        return {}
    pattern = {"regex": f"^{re.escape(entry.path)}/?"}
    return {"regex_rewrite": {"pattern": pattern, "substitution": "/"}}


def _path_match(entry: Entry) -> dict[str, Any]:
    if entry.is_prefix:
        return {"prefix": "/"} if entry.path == "/" else {"path_separated_prefix": entry.path}
    if "{" in entry.path:
        return safe_regex(path_regex(entry.path))
    return {"path": entry.path}
