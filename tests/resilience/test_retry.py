"""Retry: what may be repeated, how long it waits, and when it gives up."""

from __future__ import annotations

from typing import Any

import pytest

from atoll.contracts import (
    Api,
    Conflict,
    DeadlineExceeded,
    Error,
    Internal,
    Message,
    Operation,
    TooManyRequests,
    Unavailable,
)
from atoll.resilience import (
    BudgetExhausted,
    BudgetPolicy,
    Lost,
    NotSent,
    Outcome,
    Record,
    RetryBudget,
    Retrying,
    RetryPolicy,
    Unreadable,
    classify,
    retry,
)
from atoll.service import Request


class Empty(Message):
    """Nothing."""


class Payments(Api):
    charge = Operation("POST /charge", Empty, Empty)
    look = Operation("GET /charge", Empty, Empty)


class Attempts:
    def __init__(self, *failures: BaseException | None, budget: RetryBudget | None = None) -> None:
        self.failures = list(failures)
        self.count = 0
        self.slept: list[float] = []
        self.records: list[Record] = []
        self.now = 0.0
        self.call = retry(
            RetryPolicy(),
            budget or RetryBudget(),
            hook=self.records.append,
            sleep=self._sleep,
            clock=lambda: self.now,
            uniform=lambda _, high: high,
        )(self._inner)

    async def _inner(self, _: Request) -> str:
        self.count += 1
        failure = self.failures.pop(0)
        if failure is not None:
            raise failure
        return "done"

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def request(operation: Operation[Any, Any] = Payments.look, *, key: str = "", deadline: float = 100.0) -> Request:
    headers = {"idempotency-key": key} if key else {}
    return Request(operation.qualified, Empty(), operation=operation, headers=headers, deadline=deadline)


async def test_an_idempotent_call_is_repeated_three_times_in_all_with_growing_pauses() -> None:
    attempts = Attempts(Unavailable(), Lost(), None)
    assert await attempts.call(request()) == "done"
    assert attempts.slept == [0.05, 0.1]
    assert attempts.records == [
        Retrying("payments.look", 1, 0.05, "unavailable"),
        Retrying("payments.look", 2, 0.1, "unavailable"),
    ]
    attempts = Attempts(*[Unavailable()] * 4)
    with pytest.raises(Unavailable):
        await attempts.call(request())
    assert attempts.count == 3


@pytest.mark.parametrize("failure", [Unavailable(), Lost(), DeadlineExceeded(), TooManyRequests(), TimeoutError()])
async def test_a_post_is_not_repeated_unless_it_has_a_key(failure: Exception) -> None:
    attempts = Attempts(failure, None)
    with pytest.raises(type(failure)):
        await attempts.call(request(Payments.charge))
    assert attempts.count == 1
    assert await Attempts(failure, None).call(request(Payments.charge, key="k")) == "done"


async def test_what_was_not_sent_is_always_repeated() -> None:
    assert await Attempts(NotSent(), None).call(request(Payments.charge)) == "done"


@pytest.mark.parametrize("failure", [Conflict(), Internal(), Unreadable(), ValueError("a bug")])
async def test_what_would_fail_again_is_not_repeated(failure: Exception) -> None:
    attempts = Attempts(failure, None)
    with pytest.raises(type(failure)):
        await attempts.call(request())
    assert attempts.count == 1


async def test_retry_after_is_honoured() -> None:
    attempts = Attempts(Unavailable(headers={"retry-after": "3"}), None)
    await attempts.call(request())
    assert attempts.slept == [3.0]


async def test_no_attempt_starts_after_the_deadline() -> None:
    attempts = Attempts(Unavailable(headers={"retry-after": "3"}), None)
    with pytest.raises(Unavailable):
        await attempts.call(request(deadline=3.0))
    assert (attempts.count, attempts.slept) == (1, [])


async def test_an_empty_budget_ends_retries() -> None:
    attempts = Attempts(Unavailable(), None, budget=RetryBudget(BudgetPolicy(share=0, per_second=0)))
    with pytest.raises(Unavailable):
        await attempts.call(request())
    assert attempts.records == [BudgetExhausted("payments.look")]


def test_each_failure_is_classified() -> None:
    class Odd(Error, code="odd", status=418):
        pass

    assert classify(None) is Outcome.SUCCEEDED
    assert classify(Odd()) is Outcome.REJECTED
    assert classify(ValueError()) is Outcome.FAILED
    assert classify(TimeoutError()) is Outcome.TIMED_OUT
