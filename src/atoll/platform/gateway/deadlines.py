"""Deadlines at the edge: the route's timeout, and the remaining time that the service is told."""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.entries import Entry
from atoll.platform.gateway.typed import header, seconds

# The service answers first, with its own problem document; the gateway's timeout is for one that does not answer at all.
MARGIN = 0.5
STREAM_IDLE = "300s"  # a stream or a websocket in which nothing moves for that long is closed; Envoy's own default


def route_timeouts(entry: Entry, *, streams: bool) -> dict[str, Any]:
    """Envoy's timeouts of a route; a stream may last, as long as something moves."""
    if streams:
        return {"timeout": "0s", "idle_timeout": STREAM_IDLE}
    return {"timeout": seconds(entry.deadline + MARGIN)}


def deadline_headers(entry: Entry, *, streams: bool) -> list[dict[str, Any]]:
    """``atoll-deadline-ms``: whole milliseconds, at least 1 and at most an hour."""
    if streams:
        return []
    return [header("atoll-deadline-ms", str(min(max(round(entry.deadline * 1000), 1), 3_600_000)))]
