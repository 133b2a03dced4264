"""Bulkhead: a bound on what is in flight, so that one slow callee can't take all of a process (Polly).

No queue: a caller that has to wait learns it at once and can go elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atoll.contracts import Unavailable
from atoll.resilience.records import BulkheadFull, Hook, ignore
from atoll.service import Handler, Layer, Request


def bulkhead(limit: int, *, hook: Hook = ignore, refuse: Callable[[str], Unavailable] = Unavailable) -> Layer:
    """At most ``limit`` in flight through all handlers that this layer is put around; more are refused."""
    if limit < 1:
        raise ValueError(f"a bulkhead of {limit} lets nothing through; it must be at least 1")
    in_flight = 0

    def layer(inner: Handler) -> Handler:
        async def bounded(request: Request) -> Any:
            nonlocal in_flight
            if in_flight >= limit:
                hook(BulkheadFull(request.name, limit))
                error = refuse(f"{request.name}: {limit} are in flight already")
                error.headers["retry-after"] = "1"
                raise error
            in_flight += 1
            try:
                return await inner(request)
            finally:
                in_flight -= 1

        return bounded

    return layer
