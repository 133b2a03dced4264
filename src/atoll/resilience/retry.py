"""Retry: again, later, elsewhere; but only what may take effect twice, or surely had none.

Full-jitter exponential backoff (AWS Architecture Blog, "Exponential Backoff And Jitter"). .NET's default handler
repeated POSTs and made duplicate tickets (dotnet/extensions#5248): here an operation has to say that it is idempotent,
or the request has to carry an idempotency key, unless the call was not sent at all.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from atoll.contracts import Error
from atoll.contracts.policies import RetryPolicy
from atoll.resilience.budget import RetryBudget
from atoll.resilience.classify import Outcome, classify
from atoll.resilience.records import BudgetExhausted, Hook, Retrying, ignore
from atoll.service import Handler, Layer, Request

IDEMPOTENCY_KEY = "idempotency-key"
MOST_DOUBLINGS = 60  # more than any policy needs, and no number that is too large for a float
Sleep = Callable[[float], Awaitable[None]]


def retry(
    policy: RetryPolicy,
    budget: RetryBudget,
    *,
    hook: Hook = ignore,
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Layer:
    """The layer. A retry never starts after the deadline, and waits at least as long as ``retry-after`` says."""

    def layer(inner: Handler) -> Handler:
        async def with_retries(request: Request) -> Any:
            budget.deposit()
            attempt = 1
            while True:
                try:
                    return await inner(request)
                except Exception as failure:  # classified; what may not be repeated goes on
                    outcome = classify(failure)
                    if attempt >= policy.attempts or not may_repeat(request, outcome):
                        raise
                    delay = max(uniform(0, longest_pause(policy, attempt)), retry_after(failure))
                    if clock() + delay >= request.deadline:
                        raise
                    if not budget.withdraw():
                        hook(BudgetExhausted(request.name))
                        raise
                hook(Retrying(request.name, attempt, delay, outcome.value))
                await sleep(delay)
                attempt += 1

        return with_retries

    return layer


def longest_pause(policy: RetryPolicy, attempt: int) -> float:
    """Seconds after the attempt of that number, from 1."""
    return min(policy.most, policy.base * 2.0 ** min(attempt - 1, MOST_DOUBLINGS))


def may_repeat(request: Request, outcome: Outcome) -> bool:
    """Whether a repeat is safe, and could go better."""
    if outcome is Outcome.NOT_SENT:
        return True
    idempotent = request.operation is not None and request.operation.idempotent
    return outcome.repeatable and (idempotent or IDEMPOTENCY_KEY in request.headers)


def retry_after(failure: BaseException) -> float:
    """Seconds that the callee asks to wait; 0 if it does not say (a date is not understood: clocks differ)."""
    text = failure.headers.get("retry-after", "") if isinstance(failure, Error) else ""
    return float(text) if text.isascii() and text.isdigit() else 0.0
