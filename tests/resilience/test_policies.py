"""Policies: what is refused where it is made, and at start-up, each with one line that says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.resilience.calls import Empty, Orders, Payments

from atoll.contracts import RateLimit
from atoll.resilience import (
    AdaptivePolicy,
    BreakerPolicy,
    Breakers,
    BudgetPolicy,
    CallPolicy,
    ClientPolicy,
    ClientStacks,
    HedgePolicy,
    OperationPolicy,
    PolicyError,
    Reach,
    RetryPolicy,
    ServerPolicy,
    ServerStacks,
    ShedPolicy,
    check_resilience,
)
from atoll.service import Named, Resilience, Stack


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: RetryPolicy(attempts=0), "RetryPolicy: attempts is 0; it must be at least 1"),
        (lambda: RetryPolicy(base=-1), "base is -1 s; it must be more than 0"),
        (lambda: RetryPolicy(base=2), "most is 1 s, less than base (2 s)"),
        (lambda: BudgetPolicy(share=1.5), "share is 1.5; it is a share, between 0 and 1"),
        (lambda: BudgetPolicy(per_second=-1), "per_second is -1"),
        (lambda: BudgetPolicy(per_second=float("nan")), "per_second is nan; it must be 0 or more"),
        (lambda: BudgetPolicy(per_second=float("inf")), "per_second is inf"),
        (lambda: BreakerPolicy(longest=float("nan")), "longest is nan s"),
        (lambda: BreakerPolicy(window=1e300), "window is 1e+300 s; it must be more than 0, and a year at the most"),
        (lambda: ShedPolicy(window=1e-320), "nothing is that short"),
        (lambda: AdaptivePolicy(tolerance=float("nan")), "tolerance is nan; it must be 1 or more"),
        (lambda: BreakerPolicy(longest=1), "longest is 1 s, less than shortest (5 s)"),
        (lambda: HedgePolicy(quantile=95), "quantile is 95; it is a share"),
        (lambda: ShedPolicy(cool_off=0), "cool_off is 0 s"),
        (lambda: AdaptivePolicy(start=1), "start must lie between least and most"),
        (lambda: CallPolicy(deadline=-1), "deadline is -1 s; it must be more than 0"),
        (lambda: CallPolicy(attempt=float("nan")), "attempt is nan s"),
        (lambda: CallPolicy(deadline=1, attempt=2), "attempt is 2 s, longer than the deadline of 1 s"),
        (lambda: ClientPolicy(in_flight=0), "in_flight is 0; it must be at least 1"),
        (lambda: OperationPolicy(rate_limit=RateLimit(0)), "rate_limit.requests is 0"),
        (lambda: ServerPolicy(rate_limit=RateLimit(1, per=-1)), "rate_limit.per is -1 s"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_where_it_is_made(make: Callable[[], object], why: str) -> None:
    with pytest.raises(PolicyError) as refused:
        make()
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("resilience", "why"),
    [
        (Resilience(calls={Payments.charge: CallPolicy(retry=RetryPolicy())}), "retry, but the operation is not idempotent"),
        (Resilience(calls={Payments.keyed: CallPolicy(hedge=HedgePolicy())}), "hedge, but the operation is not idempotent"),
        (Resilience(calls={Payments.charge: CallPolicy(attempt=3)}), "an attempt of 3 s is longer than the deadline of 2 s"),
        (Resilience(calls={Payments.charge: CallPolicy(deadline=3)}), "the callee gives up after its own 2 s"),
        (Resilience(calls={Payments.keyed: CallPolicy(coalesce=True)}), "POST may change something"),
        (Resilience(calls={Payments.feed: CallPolicy(attempt=1)}), "its reply is a stream"),
        (Resilience(calls={Orders.place: CallPolicy()}), "whose service is not called from here"),
        (Resilience(clients={Orders: ClientPolicy()}), "names Orders, which this service does not call"),
        (Resilience(operations={Payments.look: OperationPolicy()}), "which this service does not offer"),
    ],
)  # fmt: skip
def test_a_policy_that_does_not_fit_the_service_is_refused_at_start(resilience: Resilience, why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        check_resilience(resilience, offers=[Orders.place], calls=[Payments])


def test_what_is_safe_is_let_through() -> None:
    good = Resilience(
        calls={
            Payments.look: CallPolicy(retry=RetryPolicy(2), hedge=HedgePolicy(), coalesce=True, attempt=1),
            Payments.keyed: CallPolicy(retry=RetryPolicy(5)),
            Payments.charge: CallPolicy(retry=RetryPolicy(attempts=1), deadline=1),
        }
    )
    check_resilience(good, offers=[Orders.place], calls=[Payments])


def reach() -> Reach:
    return Reach(lambda inner: inner, Breakers(), lambda _: "a", key=lambda _: 1)


def changed(change: Callable[[Stack], Stack]) -> Stack:
    stacks = ClientStacks(ClientPolicy(), reach(), layers=lambda stack, _: change(stack))
    return stacks.of(Payments.look, CallPolicy())


def own(name: str = "own") -> Named:
    return Named(name, lambda inner: inner, "somebody's own")


def moved(stack: Stack, name: str, before: str) -> Stack:
    layer = next(named for named in stack if named.name == name)
    return stack.without(name).before(before, layer)


def test_somebodys_own_layer_may_stand_anywhere() -> None:
    stack = changed(lambda stack: stack.before("deadline", own("first")).after("breaker", own("last")))
    names = [named.name for named in stack]
    assert (names[0], names[-1]) == ("first", "last")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda stack: moved(stack, "breaker", "balance"), "'balance' stands inside of 'breaker'"),
        (lambda stack: moved(stack, "retry", "deadline"), "'deadline' stands inside of 'retry'"),
        (lambda stack: moved(stack, "balance", "retry"), "'retry' stands inside of 'balance'"),
        (lambda stack: stack.without("deadline"), "no 'deadline'; a call without one waits for ever"),
        (lambda stack: stack.without("balance"), "no 'balance'"),
    ],
)
def test_a_layer_in_an_impossible_place_is_refused(change: Callable[[Stack], Stack], why: str) -> None:
    with pytest.raises(PolicyError, match=why) as refused:
        changed(change)
    assert "the client stack of payments.look" in str(refused.value)


def test_a_servers_layers_have_their_order_too() -> None:
    def first(stack: Stack, _: Any) -> Stack:
        return moved(stack, "callee", "shed")

    with pytest.raises(PolicyError, match="'shed' stands inside of 'callee'"):
        ServerStacks(ServerPolicy(), layers=first).of(Payments.look, OperationPolicy())


def test_each_declared_layer_stands_in_its_place_with_its_numbers() -> None:
    async def nothing(_: Any, __: Any) -> Empty:
        return Empty()

    call = CallPolicy(attempt=0.5, hedge=HedgePolicy(), coalesce=True, fallback=nothing, retry=RetryPolicy(2))
    stack = ClientStacks(ClientPolicy(in_flight=7), reach()).of(Payments.look, call)
    names = [named.name for named in stack]
    assert names == [
        "fallback", "deadline", "coalesce", "bulkhead", "retry", "attempt", "hedge", "balance", "breaker",
    ]  # fmt: skip
    numbers = {named.name: named.numbers for named in stack}
    assert numbers["bulkhead"] == {"in_flight": 7}
    assert numbers["retry"]["attempts"] == 2
    assert numbers["attempt"] == {"seconds": 0.5}
    policy = OperationPolicy(in_flight=5, adaptive=AdaptivePolicy(), rate_limit=RateLimit(9))
    server = ServerStacks(ServerPolicy(rate_limit=RateLimit(1))).of(Payments.look, policy)
    assert [named.name for named in server] == ["rate_limit", "shed", "bulkhead", "limit", "adaptive", "callee"]
    assert next(iter(server)).numbers == {"requests": 9, "per": 1.0}  # the operation's goes before the server's


def test_a_streams_opening_has_no_deadline_but_is_balanced_and_broken() -> None:
    names = [named.name for named in ClientStacks(ClientPolicy(), reach()).opening(Payments.feed)]
    assert names == ["bulkhead", "retry", "balance", "breaker"]
