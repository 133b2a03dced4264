"""Rate limit, hedge, fallback, coalesce, attempt, adaptive, callee and faults: what each lets through, and what not."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.resilience.calls import Clock, Empty, Payments, request, until

from atoll.contracts import (
    BadGateway,
    DeadlineExceeded,
    Error,
    Forbidden,
    Internal,
    NotFound,
    RateLimit,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from atoll.resilience import (
    AdaptivePolicy,
    BudgetPolicy,
    CalleeFailed,
    Coalesced,
    Fault,
    Faulted,
    Faults,
    FellBack,
    Hedged,
    HedgePolicy,
    Limited,
    Lost,
    NotSent,
    Outcome,
    Record,
    RetryBudget,
    adaptive,
    attempt,
    callee,
    classify,
    coalesce,
    fallback,
    faulty,
    hedge,
    rate_limit,
)
from atoll.resilience.adaptive import Gradient
from atoll.resilience.hedge import Latencies
from atoll.service import Handler, Request


async def reply(_: Request) -> str:
    return "reply"


def failing(error: BaseException) -> Handler:
    async def fails(_: Request) -> Any:
        raise error

    return fails


# ---- rate limit


async def test_a_bucket_empties_fills_evenly_and_says_when_to_come_back() -> None:
    clock, records = Clock(), list[Record]()
    limited = rate_limit(RateLimit(2, per=10.0), hook=records.append, clock=clock)(reply)
    for _ in range(2):
        await limited(request(subject="ann"))
    with pytest.raises(TooManyRequests) as refused:
        await limited(request(subject="ann"))
    assert refused.value.headers["retry-after"] == "5"
    assert records == [Limited("payments.look", "ann", 5.0)]
    await limited(request(subject="bob"))  # another caller has a bucket of his own
    clock.now += 5
    await limited(request(subject="ann"))
    with pytest.raises(TooManyRequests):
        await limited(request(subject="ann"))


@given(st.integers(1, 20), st.floats(0.1, 10), st.lists(st.floats(0, 2), max_size=100))
async def test_no_more_than_the_bucket_and_what_flowed_in_is_ever_let_through(
    requests: int, per: float, pauses: list[float]
) -> None:
    clock = Clock()
    limited = rate_limit(RateLimit(requests, per), clock=clock)(reply)
    began, passed = clock.now, 0
    for pause in pauses:
        clock.now += pause
        try:
            await limited(request())
            passed += 1
        except TooManyRequests:
            pass
        assert passed <= requests + (clock.now - began) * requests / per + 1e-6


# ---- hedge


class Instances:
    """Answers slowly or at once, as told."""

    def __init__(self) -> None:
        self.slow: list[asyncio.Event] = []
        self.cancelled = 0
        self.next_slow = False

    async def __call__(self, _: Request) -> str:
        if not self.next_slow:
            return "fast"
        self.next_slow = False
        go = asyncio.Event()
        self.slow.append(go)
        try:
            await go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "slow"


async def test_a_late_reply_is_raced_and_the_loser_is_cancelled() -> None:
    instances, records = Instances(), list[Record]()
    hedged = hedge(HedgePolicy(share=0.5, at_least=4), RetryBudget(), hook=records.append)(instances)
    for _ in range(5):
        await hedged(request())
    instances.next_slow = True
    assert await hedged(request()) == "fast"
    await until(lambda: instances.cancelled == 1)
    assert [type(record) for record in records] == [Hedged]


async def test_hedges_never_exceed_their_share_nor_the_retry_budget() -> None:
    instances = Instances()
    budget = RetryBudget(BudgetPolicy(share=0.0, per_second=0.0))
    hedged = hedge(HedgePolicy(share=0.5, at_least=4), budget)(instances)
    for _ in range(5):
        await hedged(request())
    instances.next_slow = True
    waiting = asyncio.ensure_future(hedged(request()))
    await until(lambda: bool(instances.slow))
    await asyncio.sleep(0.02)
    assert not waiting.done()  # there is no budget: it waits for the first one
    instances.slow[0].set()
    assert await waiting == "slow"


async def test_one_hedge_in_twenty_calls() -> None:
    extra, records = Instances(), list[Record]()
    hedged = hedge(HedgePolicy(at_least=2), RetryBudget(), hook=records.append)(extra)
    for count in range(100):
        extra.next_slow = count > 60
        call = asyncio.ensure_future(hedged(request()))
        await asyncio.wait({call}, timeout=0.002)
        for go in extra.slow:
            go.set()
        await call
        extra.slow.clear()
    assert 1 <= sum(isinstance(record, Hedged) for record in records) <= 5


async def test_a_cancelled_hedged_call_leaves_nothing_running() -> None:
    instances = Instances()
    hedged = hedge(HedgePolicy(at_least=1), RetryBudget())(instances)
    await hedged(request())
    instances.next_slow = True
    call = asyncio.ensure_future(hedged(request()))
    await until(lambda: bool(instances.slow))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: instances.cancelled == 1)


async def test_a_failure_that_comes_as_the_call_is_cancelled_is_not_reported_as_forgotten() -> None:
    loop, told = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: told.append(context))
    calls: list[asyncio.Future[Any]] = []

    async def fails_at_last(_: Request) -> str:
        if not calls:
            return "fast"
        await asyncio.sleep(0)
        loop.call_soon(calls[0].cancel)  # runs when this has failed, and before its caller has heard of it
        raise Unavailable("too late")

    hedged = hedge(HedgePolicy(at_least=1, quantile=0.9), RetryBudget(BudgetPolicy(share=0.0, per_second=0.0)))(
        fails_at_last
    )
    await hedged(request())
    calls.append(asyncio.ensure_future(hedged(request())))
    await asyncio.wait(calls)
    assert calls.pop().cancelled()
    gc.collect()  # a task whose failure nobody asked for reports it when it goes
    assert told == []


@given(st.lists(st.floats(0, 10), min_size=20, max_size=200))
def test_the_quantile_is_one_of_the_latencies_and_few_are_above_it(seconds: list[float]) -> None:
    latencies = Latencies(0.95, 20)
    for one in seconds:
        latencies.add(one)
    value = latencies.quantile()
    assert value in seconds


# ---- fallback


async def test_a_fallback_stands_in_for_a_failure_but_not_for_an_answer() -> None:
    records: list[Record] = []

    async def yesterdays(message: Empty, error: Error) -> str:
        return f"{type(message).__name__} after {error.code}"

    layer = fallback(yesterdays, hook=records.append)
    assert await layer(failing(DeadlineExceeded()))(request()) == "Empty after deadline-exceeded"
    assert records == [FellBack("payments.look", "timed out")]
    with pytest.raises(NotFound):
        await layer(failing(NotFound()))(request())
    with pytest.raises(asyncio.CancelledError):
        await layer(failing(asyncio.CancelledError()))(request())


# ---- coalesce


async def test_equal_calls_share_one_reply_and_different_ones_do_not() -> None:
    calls, records, go = 0, list[Record](), asyncio.Event()

    async def counting(_: Request) -> int:
        nonlocal calls
        calls += 1
        mine = calls
        await go.wait()
        return mine

    shared = coalesce(lambda one: one.caller, hook=records.append)(counting)
    tasks = [asyncio.ensure_future(shared(request(subject="ann"))) for _ in range(5)]
    tasks.append(asyncio.ensure_future(shared(request(subject="bob"))))
    await until(lambda: calls == 2)
    tasks[0].cancel()  # the first one leaves; the others still get their reply
    await asyncio.wait({tasks[0]})
    go.set()
    assert await asyncio.gather(*tasks[1:]) == [1, 1, 1, 1, 2]
    assert records == [Coalesced("payments.look")] * 4
    assert await shared(request(subject="ann")) == 3  # a later call is made anew


async def test_the_shared_call_ends_when_nobody_waits_and_a_failure_is_everybodys() -> None:
    go, ended = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> None:
        try:
            await go.wait()
            raise Unavailable
        finally:
            ended.set()

    shared = coalesce(lambda _: 1)(slow)
    tasks = [asyncio.ensure_future(shared(request())) for _ in range(2)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await ended.wait()
    go.set()
    both = await asyncio.gather(shared(request()), shared(request()), return_exceptions=True)
    assert [type(one) for one in both] == [Unavailable, Unavailable]


async def test_whoever_comes_while_a_shared_call_is_being_given_up_makes_his_own() -> None:
    begun, calls = asyncio.Event(), 0

    async def slow_to_end(_: Request) -> int:
        nonlocal calls
        calls += 1
        mine = calls
        if mine == 1:
            try:
                begun.set()
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)  # it takes a while to let go
        return mine

    shared = coalesce(lambda _: 1)(slow_to_end)
    leader = asyncio.ensure_future(shared(request()))
    await begun.wait()
    leader.cancel()
    await asyncio.wait({leader})
    assert await shared(request()) == 2


# ---- attempt


async def test_an_attempt_ends_by_itself_and_the_deadline_is_back() -> None:
    seen: list[float] = []

    async def hangs(given: Request) -> None:
        seen.append(given.deadline)
        await asyncio.Event().wait()

    whole = asyncio.get_running_loop().time() + 60
    given = request(deadline=whole)
    with pytest.raises(DeadlineExceeded):
        await attempt(0.01)(hangs)(given)
    assert given.deadline == whole
    assert seen[0] < whole


# ---- adaptive


def test_the_limit_falls_when_replies_get_slower_and_grows_back() -> None:
    gradient = Gradient(AdaptivePolicy(start=50))
    for _ in range(200):
        gradient.sample(0.01, int(gradient.limit))
    grown = gradient.limit
    assert grown > 50
    for _ in range(200):
        gradient.sample(0.1, int(gradient.limit))
    assert gradient.limit < grown / 2
    for _ in range(500):
        gradient.sample(0.01, int(gradient.limit))
    assert gradient.limit > grown / 2


def test_a_queue_that_stands_never_becomes_usual() -> None:
    """A pool of 10 that takes 50 ms each, and always more to do than it can: whatever is let in waits for its turn."""
    gradient = Gradient(AdaptivePolicy(start=50))
    gradient.sample(0.05, 1)
    for _ in range(20_000):
        gradient.sample(0.05 * max(1.0, gradient.limit / 10), int(gradient.limit))
    assert 10 <= gradient.limit < 20


@given(st.lists(st.one_of(st.none(), st.floats(0.0001, 10)), max_size=200))
def test_the_limit_stays_within_its_bounds(samples: list[float | None]) -> None:
    policy = AdaptivePolicy(start=20, least=5, most=60)
    gradient = Gradient(policy)
    for seconds in samples:
        if seconds is None:
            gradient.timed_out()
        else:
            gradient.sample(seconds, int(gradient.limit))
        assert policy.least <= gradient.limit <= policy.most


async def test_what_is_over_the_adaptive_limit_is_refused_and_a_deadline_lowers_it() -> None:
    go = asyncio.Event()

    async def waits(_: Request) -> None:
        await go.wait()

    bounded = adaptive(AdaptivePolicy(start=2, least=1))(waits)
    tasks = [asyncio.ensure_future(bounded(request())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await bounded(request())
    assert refused.value.headers["retry-after"] == "1"
    tasks[0].cancel()
    await asyncio.wait({tasks[0]})
    with pytest.raises(Unavailable):  # 2 x 0.9 < 2: one place less... and one is still taken
        await asyncio.gather(bounded(request()), bounded(request()))
    go.set()
    await tasks[1]


# ---- a callee's errors


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (NotFound("no such card"), BadGateway),
        (Unauthenticated("who"), BadGateway),
        (Forbidden("not yours"), BadGateway),
        (Internal("oh"), BadGateway),
        (Lost("broke"), BadGateway),
        (Unavailable("away"), Unavailable),
        (NotSent("away"), Unavailable),
        (TooManyRequests("slow down"), Unavailable),
        (DeadlineExceeded("late"), DeadlineExceeded),
    ],
)
async def test_a_callees_error_becomes_our_own_kind_of_failure(error: Error, ours: type[Error]) -> None:
    records: list[Record] = []
    error.source = "payments"
    error.headers["retry-after"] = "7"
    with pytest.raises(ours) as raised:
        await callee((), hook=records.append)(failing(error))(request())
    assert type(raised.value) is ours
    assert raised.value.source == ""
    assert raised.value.__cause__ is error
    assert error.detail not in raised.value.detail
    assert records == [CalleeFailed("payments.look", "payments", error.code, ours.status)]
    if ours is Unavailable:
        assert raised.value.headers["retry-after"] == "7"


async def test_a_declared_error_and_an_own_one_go_through() -> None:
    theirs, own = NotFound("theirs"), NotFound("own")
    theirs.source = "payments"
    with pytest.raises(NotFound) as raised:
        await callee(Payments.look.errors)(failing(theirs))(request())
    assert raised.value is theirs
    with pytest.raises(NotFound) as raised:
        await callee(())(failing(own))(request())
    assert raised.value is own


async def test_a_callees_error_in_the_middle_of_a_stream_is_not_ours_either() -> None:
    closed: list[bool] = []

    async def two(_: Request) -> Any:
        async def items() -> AsyncGenerator[int, None]:
            try:
                yield 1
                error = NotFound("theirs")
                error.source = "payments"
                raise error
            finally:
                closed.append(True)

        return items()

    seen: list[int] = []
    with pytest.raises(BadGateway):
        async for item in await callee((), streams=True)(two)(request(Payments.feed)):
            seen.append(item)  # noqa: PERF401 - what came before the error counts
    assert seen == [1]
    assert closed == [True]


# ---- faults


async def test_a_fault_delays_fails_its_share_and_ends_by_the_clock() -> None:
    clock, slept, records = Clock(), list[float](), list[Record]()
    chances = iter([0.1, 0.9, 0.1])
    faults = Faults(clock=clock, chance=lambda: next(chances))

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    handler = faulty(faults, "payments", hook=records.append, sleep=sleep)(reply)
    assert await handler(request()) == "reply"
    faults.replace({"payments": Fault(delay=2.0, error=0.3, status=500, until=clock.now + 60)})
    with pytest.raises(Internal) as raised:
        await handler(request())
    assert raised.value.source == "payments"
    assert await handler(request()) == "reply"
    assert slept == [2.0, 2.0]
    assert records == [Faulted("payments.look", 2.0, 500), Faulted("payments.look", 2.0, 0)]
    clock.now += 60
    assert await handler(request()) == "reply"
    assert len(slept) == 2


async def test_a_fault_may_delay_a_share_of_the_calls_and_only_those_are_told() -> None:
    slept, records = list[float](), list[Record]()
    chances = iter([0.5, 0.9, 0.005, 0.9])
    faults = Faults(chance=lambda: next(chances))

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    handler = faulty(faults, "payments", hook=records.append, sleep=sleep)(reply)
    faults.replace({"payments": Fault(delay=2.0, share=0.01)})
    assert [await handler(request()), await handler(request())] == ["reply", "reply"]
    assert slept == [2.0]
    assert records == [Faulted("payments.look", 2.0, 0)]


# ---- classify


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (None, Outcome.SUCCEEDED),
        (NotFound(), Outcome.REJECTED),
        (NotSent(), Outcome.NOT_SENT),
        (Lost(), Outcome.UNAVAILABLE),
        (Unavailable(), Outcome.UNAVAILABLE),
        (Unavailable(headers={"retry-after": "1"}), Outcome.THROTTLED),
        (TooManyRequests(), Outcome.THROTTLED),
        (DeadlineExceeded(), Outcome.TIMED_OUT),
        (TimeoutError(), Outcome.TIMED_OUT),
        (ConnectionResetError(), Outcome.UNAVAILABLE),
        (asyncio.CancelledError(), Outcome.CANCELLED),
        (Internal(), Outcome.FAILED),
        (ZeroDivisionError(), Outcome.FAILED),
    ],
)
def test_what_a_failure_is(failure: BaseException | None, outcome: Outcome) -> None:
    assert classify(failure) is outcome


def test_a_server_that_sheds_is_no_reason_to_open_its_breaker_and_may_be_asked_again() -> None:
    outcome = classify(Unavailable(headers={"retry-after": "1"}))
    assert outcome.repeatable
    assert not outcome.against_endpoint
