"""The body limit: a request is read whole, up to its limit, before it goes on; a slow sender never holds a service."""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.entries import Entry
from atoll.platform.gateway.typed import typed

FILTER = "envoy.filters.http.buffer"
_PACKAGE = "envoy.extensions.filters.http.buffer.v3"


def http_filter(limit: int) -> dict[str, Any]:
    """limit: bytes, where a route does not say otherwise."""
    return {"name": FILTER, "typed_config": typed(f"{_PACKAGE}.Buffer", max_request_bytes=limit)}


def route_policy(entry: Entry, *, websocket: bool) -> dict[str, Any]:
    """The route's own limit; none for a websocket, which has no end to wait for."""
    if websocket:
        return {FILTER: typed(f"{_PACKAGE}.BufferPerRoute", disabled=True)}
    return {FILTER: typed(f"{_PACKAGE}.BufferPerRoute", buffer={"max_request_bytes": entry.body_limit})}
