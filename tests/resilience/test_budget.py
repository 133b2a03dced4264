"""The retry budget is never exceeded, in any window, whatever the order of calls and retries."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.resilience import BudgetPolicy, RetryBudget


def test_ten_a_second_are_there_without_any_calls() -> None:
    now = 0.0
    budget = RetryBudget(clock=lambda: now)
    for _ in range(3):
        assert sum(budget.withdraw() for _ in range(1000)) == 10
        now += 1.0
    now += 100.0
    assert budget.left() == 10
    assert sum(budget.withdraw() for _ in range(1000)) == 10  # they are not saved up


def test_a_fifth_of_calls_may_be_retried_and_deposits_expire() -> None:
    now = 0.0
    budget = RetryBudget(BudgetPolicy(per_second=0), clock=lambda: now)
    for _ in range(100):
        budget.deposit()
    assert budget.left() == 20
    assert sum(budget.withdraw() for _ in range(100)) == 20
    for _ in range(100):
        budget.deposit()
    now = 11.0
    assert not budget.withdraw()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=300))
def test_it_is_never_exceeded(steps: list[tuple[bool, float]]) -> None:
    now = 0.0
    policy = BudgetPolicy(per_second=0.5)
    budget = RetryBudget(policy, clock=lambda: now)
    calls: list[float] = []
    retries: list[float] = []
    for is_call, wait in steps:
        now += wait
        if is_call:
            budget.deposit()
            calls.append(now)
        elif budget.withdraw():
            retries.append(now)
            window = now - policy.ttl + policy.ttl / policy.buckets  # a bucket's whole content expires with it
            made = sum(at > window for at in retries)
            lived = sum(at > now - policy.ttl for at in calls)
            assert made <= lived * policy.share + policy.per_second * policy.ttl + 1  # one is there at the start
