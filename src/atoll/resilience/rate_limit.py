"""Rate limit inside a server: a token bucket for each caller, for systems without a gateway in front, or behind its back.

Kept as one time a caller, the moment at which its bucket is full again (GCRA, ITU-T I.371; the same bucket, without a timer).
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from atoll.contracts import RateLimit, TooManyRequests
from atoll.resilience.records import Hook, Limited, ignore
from atoll.service import Handler, Layer, Request

CALLERS = 10_000  # remembered; the one that was silent longest goes first, and its bucket is full again


def rate_limit(limit: RateLimit, *, hook: Hook = ignore, clock: Callable[[], float] = time.monotonic) -> Layer:
    """The layer: TooManyRequests with ``retry-after``. One bucket a caller for all handlers that it is put around.

    A caller is the subject, or the peer that speaks for itself; all others share one bucket.
    """
    each = limit.per / limit.requests
    full_at: OrderedDict[str, float] = OrderedDict()

    def take(caller: str) -> float:
        """Seconds to wait; 0 if there was a token, and it is taken."""
        now = clock()
        known = max(full_at.pop(caller, now), now)
        wait = known + each - now - limit.per
        taken = wait <= 1e-9
        full_at[caller] = known + each if taken else known
        if len(full_at) > CALLERS:
            full_at.popitem(last=False)
        return 0.0 if taken else wait

    def layer(inner: Handler) -> Handler:
        async def limited(request: Request) -> Any:
            caller = request.caller
            name = "" if caller is None else caller.subject or caller.peer
            wait = take(name)
            if wait:
                hook(Limited(request.name, name, wait))
                text = f"at most {limit.requests} requests in {limit.per:g} s; come back later"
                raise TooManyRequests(text, headers={"retry-after": str(math.ceil(wait))})
            return await inner(request)

        return limited

    return layer
