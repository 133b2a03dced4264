"""Deadlines: work ends in time, and a cancellation from outside is never mistaken for one."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.contracts import DeadlineExceeded
from atoll.resilience import deadline
from atoll.resilience.deadline import Within, read_remaining, write_remaining
from atoll.service import Request


async def test_work_that_takes_too_long_is_cancelled() -> None:
    ended = False

    async def work(_: Request) -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    with pytest.raises(DeadlineExceeded, match=r"payments\.charge did not finish in time"):
        await deadline(work)(Request("payments.charge", None, deadline=time.monotonic() + 0.02))
    assert ended
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_work_with_no_time_left_does_not_start() -> None:
    with pytest.raises(DeadlineExceeded):
        await deadline(lambda _: pytest.fail("it started"))(Request("x", None, deadline=time.monotonic() - 1))


@pytest.mark.parametrize("pauses", [0, 1, 3])
async def test_results_and_errors_pass_through(pauses: int) -> None:
    async def work(fail: bool) -> int:
        for _ in range(pauses):
            await asyncio.sleep(0)
        if fail:
            raise KeyError("x")
        return 7

    assert await Within(work(False), 5, "x") == 7
    with pytest.raises(KeyError):
        await Within(work(True), 5, "x")


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    async def bounded() -> None:
        await Within(work(), 5, "x")

    task = asyncio.create_task(bounded())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_bounds_nest() -> None:
    async def inner() -> str:
        try:
            await Within(asyncio.sleep(5), 0.01, "x")
        except DeadlineExceeded:
            return "inner"
        return "none"

    assert await Within(inner(), 5, "x") == "inner"
    with pytest.raises(DeadlineExceeded):
        await Within(Within(asyncio.sleep(5), 5, "x"), 0.01, "y")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await Within(asyncio.sleep(5), 5, "x")


async def test_work_that_catches_its_own_timeouts_can_go_on() -> None:
    async def work() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(5)
        except TimeoutError:
            await asyncio.sleep(0)
        return "done"

    assert await Within(work(), 5, "x") == "done"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250", 0.25),
        ("0", 0.0),
        ("31536000000", 3600.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("9" * 99, None),
        ("²", None),
    ],
)
def test_the_header_is_bounded_and_garbage_is_ignored(text: str, seconds: float | None) -> None:
    assert read_remaining(text) == seconds


@given(st.floats(0, 1e9))
def test_the_remaining_time_never_grows_on_the_wire(seconds: float) -> None:
    read = read_remaining(write_remaining(seconds))
    assert read is not None
    assert read <= seconds
