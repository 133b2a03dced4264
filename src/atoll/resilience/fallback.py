"""Fallback: another reply when there is none: yesterday's prices, an empty list of recommendations.

Outermost, so that it also stands in for a call that ran out of time. A callee that is well and says no (4xx) is an answer,
not a failure: it goes through.
"""

from __future__ import annotations

from typing import Any

from atoll.contracts import Error
from atoll.contracts.policies import Fallback
from atoll.resilience.classify import Outcome, classify
from atoll.resilience.records import FellBack, Hook, ignore
from atoll.service import Handler, Layer, Request


def fallback(function: Fallback, *, hook: Hook = ignore) -> Layer:
    """The layer; ``function`` gets the request message and the error, and may raise one itself."""

    def layer(inner: Handler) -> Handler:
        async def with_fallback(request: Request) -> Any:
            try:
                return await inner(request)
            except Error as error:
                outcome = classify(error)
                if outcome is Outcome.REJECTED:
                    raise
                hook(FellBack(request.name, outcome.value))
                return await function(request.message, error)

        return with_fallback

    return layer
