"""The circuit breaker: when it opens, when it probes, and that there is never more than one probe."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.contracts import Conflict, Unavailable
from atoll.resilience import Breaker, BreakerClosed, BreakerOpened, Breakers, NotSent, Outcome, Record, breaker
from atoll.service import Request


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def made(time: Time, records: list[Record] | None = None) -> Breaker:
    hook = (lambda _: None) if records is None else records.append
    return Breaker("payments-1", clock=time, uniform=lambda _, high: high, hook=hook)


def fail(guard: Breaker, times: int = 5) -> None:
    for _ in range(times):
        guard.leave(Outcome.UNAVAILABLE, probe=guard.enter())


def test_five_failures_in_a_row_open_it_and_one_success_forgets_them() -> None:
    guard = made(Time())
    fail(guard, 4)
    guard.leave(Outcome.SUCCEEDED, probe=guard.enter())
    fail(guard, 4)
    assert guard.closed
    fail(guard, 1)
    assert not guard.available()
    with pytest.raises(NotSent):
        guard.enter()


def test_half_of_twenty_calls_open_it() -> None:
    guard = made(Time())
    for _ in range(10):
        guard.leave(Outcome.SUCCEEDED, probe=guard.enter())
        if guard.available():
            guard.leave(Outcome.FAILED, probe=guard.enter())
    assert not guard.closed


def test_old_calls_do_not_count() -> None:
    time = Time()
    guard = made(time)
    for _ in range(40):
        time.now += 1.3
        guard.leave(Outcome.SUCCEEDED, probe=guard.enter())
        guard.leave(Outcome.FAILED, probe=guard.enter())
    assert guard.closed  # half of them fail, but never 20 in 10 s


def test_refusals_of_the_call_do_not_speak_against_the_endpoint() -> None:
    guard = made(Time())
    for outcome in (Outcome.REJECTED, Outcome.THROTTLED, Outcome.CANCELLED) * 20:
        guard.leave(outcome, probe=guard.enter())
    assert guard.closed


def test_it_opens_for_longer_each_time_and_closes_after_a_good_probe() -> None:
    time, records = Time(), list[Record]()
    guard = made(time, records)
    fail(guard)
    for seconds in (5, 10, 20, 40, 80, 160, 300, 300):
        assert records[-1] == BreakerOpened("payments-1", seconds)
        time.now += seconds - 0.01
        assert not guard.available()
        time.now += 0.02
        assert guard.enter()
        guard.leave(Outcome.TIMED_OUT, probe=True)
    time.now += 300
    guard.leave(Outcome.SUCCEEDED, probe=guard.enter())
    assert guard.closed
    assert records[-1] == BreakerClosed("payments-1")


def test_a_cancelled_probe_frees_its_slot() -> None:
    time = Time()
    guard = made(time)
    fail(guard)
    time.now += 5
    assert guard.enter()
    assert not guard.available()
    guard.leave(Outcome.CANCELLED, probe=True)
    assert guard.enter()


def test_late_replies_of_calls_from_before_the_opening_change_nothing() -> None:
    time = Time()
    guard = made(time)
    late = guard.enter()
    fail(guard)
    guard.leave(Outcome.SUCCEEDED, probe=late)
    assert not guard.closed


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["enter", "leave", "wait"]), st.sampled_from(list(Outcome)), st.floats(0, 20)))
)
def test_there_is_never_more_than_one_probe(steps: list[tuple[str, Outcome, float]]) -> None:
    time = Time()
    guard = made(time)
    inside: list[bool] = []
    for step, outcome, seconds in steps:
        if step == "wait":
            time.now += seconds
        elif step == "leave" and inside:
            guard.leave(outcome, probe=inside.pop())
        elif step == "enter":
            available = guard.available()
            try:
                inside.append(guard.enter())
            except NotSent:
                assert not available
            else:
                assert available
        assert sum(inside) <= 1


async def test_the_layer_counts_what_the_endpoint_did() -> None:
    time = Time()
    breakers = Breakers(clock=time, uniform=lambda _, high: high)
    failure: BaseException = Conflict("no")

    async def inner(_: Request) -> str:
        raise failure

    guarded = breaker(breakers, lambda request: request.scope["endpoint"])(inner)
    request = Request("payments.charge", None)
    request.scope["endpoint"] = "a"
    for _ in range(10):
        with pytest.raises(Conflict):
            await guarded(request)
    assert breakers.available("a")
    failure = Unavailable("down")
    for _ in range(5):
        with pytest.raises(Unavailable):
            await guarded(request)
    assert not breakers.available("a")
    request.scope["endpoint"] = "b"
    assert breakers.available("b")
    breakers.keep({"b"})
    assert breakers.available("a")


async def test_a_thousand_calls_at_once_make_one_probe_and_cancelling_it_lets_another() -> None:
    time, calls = Time(), 0
    breakers = Breakers(clock=time, uniform=lambda _, high: high)
    fail(breakers.of("a"))
    time.now += 5

    async def inner(_: Request) -> None:
        nonlocal calls
        calls += 1
        await asyncio.Event().wait()

    guarded = breaker(breakers, lambda _: "a")(inner)
    tasks = [asyncio.ensure_future(guarded(Request("x", None))) for _ in range(1000)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert calls == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert breakers.available("a")


class Hanging:
    """An endpoint that answers after so many seconds of a clock, or hangs for whatever time the caller has."""

    def __init__(self) -> None:
        self.time = Time()
        self.breakers = Breakers(clock=self.time)
        self.takes: float | None = None
        self.call = breaker(self.breakers, lambda _: "payments-1", clock=self.time)(self._answer)

    @property
    def closed(self) -> bool:
        return self.breakers.of("payments-1").closed

    async def calls(self, times: int, *, given: float) -> None:
        """Each has ``given`` seconds, after which whatever stands outside of the breaker cancels it."""
        for _ in range(times):
            with suppress(asyncio.CancelledError):
                await self.call(Request("payments.charge", None, deadline=self.time() + given))

    async def _answer(self, request: Request) -> None:
        left = request.deadline - self.time()
        if self.takes is None or self.takes >= left:
            self.time.now += left
            raise asyncio.CancelledError
        self.time.now += self.takes


async def test_an_endpoint_that_hangs_until_the_deadline_opens_it() -> None:
    endpoint = Hanging()
    await endpoint.calls(4, given=1.0)
    assert endpoint.closed
    await endpoint.calls(1, given=1.0)
    assert not endpoint.closed


async def test_callers_without_patience_do_not_open_it_for_others() -> None:
    endpoint = Hanging()
    endpoint.takes = 0.1
    await endpoint.calls(5, given=1.0)
    await endpoint.calls(40, given=0.05)
    assert endpoint.closed
    endpoint.takes = None
    await endpoint.calls(5, given=1.0)
    assert not endpoint.closed


async def test_an_endpoint_that_answers_others_meanwhile_does_not_hang() -> None:
    time = Time()
    breakers = Breakers(clock=time)
    late = asyncio.Event()

    async def answer(request: Request) -> None:
        if request.name == "payments.hangs":
            await late.wait()
            raise asyncio.CancelledError

    call = breaker(breakers, lambda _: "payments-1", clock=time)(answer)
    hanging = [asyncio.ensure_future(call(Request("payments.hangs", None, deadline=1.0))) for _ in range(10)]
    await asyncio.sleep(0)
    time.now = 0.5
    await call(Request("payments.look", None, deadline=1.5))
    time.now = 1.0
    late.set()
    await asyncio.wait(hanging)
    assert breakers.of("payments-1").closed


async def test_a_call_that_its_caller_gives_up_in_time_says_nothing() -> None:
    breakers = Breakers()

    async def given_up(_: Request) -> None:
        raise asyncio.CancelledError

    call = breaker(breakers, lambda _: "payments-1")(given_up)
    for _ in range(40):
        with suppress(asyncio.CancelledError):
            await call(Request("payments.charge", None, deadline=float("inf")))
    assert breakers.of("payments-1").closed
