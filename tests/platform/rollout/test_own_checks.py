"""A service's own checks may be wrong, hang, or end their thread: the rollout is told, and goes on."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable

import pytest

from atoll.platform.rollout import own_checks
from atoll.platform.rollout.own_checks import ask
from atoll.platform.rollout.records import Finding
from atoll.system import Sample, Window

WINDOW = Window("orders", "new", 5, 30.0, Sample(), Sample())


class Odd:
    """Neither true nor false, and without words."""

    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")


def exits(_: Window) -> None:
    sys.exit(3)


def interrupts(_: Window) -> None:
    raise asyncio.CancelledError


def stops(_: Window) -> None:
    raise StopIteration("no row")


def odd(_: Window) -> Odd:
    return Odd()


async def exits_later(_: Window) -> None:
    await asyncio.sleep(0)
    sys.exit("no more")


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (exits, "SystemExit: 3"),
        (exits_later, "SystemExit: no more"),
        (interrupts, "CancelledError"),
        (stops, "RuntimeError: coroutine raised StopIteration"),
        (odd, "ValueError: neither true nor false"),
    ],
)
async def test_whatever_a_check_does_is_a_failed_check(check: Callable[[Window], object], text: str) -> None:
    assert await ask((check,), WINDOW) == (Finding(check.__name__, "failed", text),)


async def test_one_that_hangs_is_given_up_and_holds_no_thread_that_others_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_checks, "LIMIT", 0.05)
    go = threading.Event()

    def hangs(_: Window) -> None:
        go.wait()

    found = await ask((hangs,) * 40, WINDOW)  # more than the loop's own pool has
    assert {(one.check, one.outcome) for one in found} == {("hangs", "failed")}
    assert await asyncio.to_thread(lambda: "free") == "free"
    held = [thread for thread in threading.enumerate() if thread.name == "check hangs"]
    assert held
    assert all(thread.daemon for thread in held)
    go.set()
    for thread in held:
        thread.join()


async def test_an_awaited_one_that_blocks_its_loop_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_checks, "LIMIT", 0.05)
    go = threading.Event()

    async def hangs(_: Window) -> None:
        await asyncio.sleep(0)
        go.wait(20)  # were it on this loop, nobody could let it go on

    assert await ask((hangs,), WINDOW) == (Finding("hangs", "failed", "took longer than 0 s"),)
    go.set()


async def test_an_awaited_one_that_is_late_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_checks, "LIMIT", 0.05)
    ended = threading.Event()

    async def waits(_: Window) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    assert await ask((waits,), WINDOW) == (Finding("waits", "failed", "took longer than 0 s"),)
    assert await asyncio.to_thread(ended.wait, 20)


async def test_a_reason_is_made_of_words_beside_the_loop_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_checks, "LIMIT", 0.05)
    go = threading.Event()

    class Slow:
        def __str__(self) -> str:
            go.wait(20)
            return "slow"

    def says(_: Window) -> Slow:
        return Slow()

    assert await ask((says,), WINDOW) == (Finding("says", "failed", "took longer than 0 s"),)
    go.set()


async def test_a_rollout_that_is_told_to_stop_is_not_a_failed_check() -> None:
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def waits(_: Window) -> None:
        loop.call_soon_threadsafe(began.set)
        await asyncio.Event().wait()

    asking = asyncio.ensure_future(ask((waits,), WINDOW))
    await began.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
