"""Attempt timeout: one attempt gets less time than the whole call, so that a hung instance leaves time for another one.

The callee is told the attempt's time, not the call's: nobody works on for an attempt that was given up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from atoll.resilience.deadline import Within
from atoll.service import Handler, Layer, Request


def attempt(seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Layer:
    """The layer: DeadlineExceeded after ``seconds``; the request's own deadline is back for the next attempt."""

    def layer(inner: Handler) -> Handler:
        async def bounded(request: Request) -> Any:
            whole = request.deadline
            until = clock() + seconds
            if until >= whole:
                return await inner(request)
            request.deadline = until
            try:
                return await Within(inner(request), seconds, request.name)
            finally:
                request.deadline = whole

        return bounded

    return layer
