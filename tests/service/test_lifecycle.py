"""Parts stop in reverse order, and one that fails does not keep the others from it."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from atoll.service import Lifecycle


class Part:
    def __init__(self, name: str, log: list[str], fails: BaseException | None = None) -> None:
        self.name, self.log, self.fails = name, log, fails

    async def start(self) -> None:
        self.log.append(f"start {self.name}")

    async def stop(self) -> None:
        self.log.append(f"stop {self.name}")
        if self.fails is not None:
            raise self.fails


class Reports(list[tuple[str, str]]):
    def __call__(self, name: str, error: BaseException) -> None:
        self.append((name, type(error).__name__))


async def test_parts_stop_in_reverse_order() -> None:
    log: list[str] = []
    lifecycle = Lifecycle(Reports())
    for name in ("pool", "broker"):
        await lifecycle.start(name, Part(name, log))
    lifecycle.on_stop("last", Part("last", log).stop)
    await lifecycle.stop(1)
    assert log == ["start pool", "start broker", "stop last", "stop broker", "stop pool"]


async def test_stopping_twice_stops_once() -> None:
    log: list[str] = []
    lifecycle = Lifecycle(Reports())
    await lifecycle.start("pool", Part("pool", log))
    await lifecycle.stop(1)
    await lifecycle.stop(1)
    assert log == ["start pool", "stop pool"]


@pytest.mark.parametrize("failure", [OSError("gone"), asyncio.CancelledError()], ids=repr)
async def test_one_that_fails_to_stop_is_reported_and_the_others_stop(failure: BaseException) -> None:
    log: list[str] = []
    reports = Reports()
    lifecycle = Lifecycle(reports)
    await lifecycle.start("pool", Part("pool", log))
    await lifecycle.start("broker", Part("broker", log, failure))
    await lifecycle.stop(1)
    assert log[-2:] == ["stop broker", "stop pool"]
    assert reports == [("broker", type(failure).__name__)]


async def test_one_that_never_stops_is_left_after_the_grace_time() -> None:
    reports = Reports()
    lifecycle = Lifecycle(reports)
    log: list[str] = []
    await lifecycle.start("pool", Part("pool", log))
    lifecycle.on_stop("hangs", asyncio.Event().wait)  # type: ignore[arg-type]  # its answer is of no interest
    await lifecycle.stop(0.01)
    assert reports == [("hangs", "TimeoutError")]
    assert log[-1] == "stop pool"


async def test_the_grace_time_is_for_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    timeout = asyncio.timeout
    reports = Reports()
    lifecycle = Lifecycle(reports)
    for number in range(20):
        lifecycle.on_stop(f"hangs {number}", asyncio.Event().wait)  # type: ignore[arg-type]  # its answer is of no interest
    given: list[float] = []

    def at_once(seconds: float) -> asyncio.Timeout:
        given.append(seconds)
        return timeout(0)

    monkeypatch.setattr(asyncio, "timeout", at_once)
    await lifecycle.stop(10)
    assert len(reports) == 20
    assert all(later <= earlier <= 10 for earlier, later in pairwise(given))


async def test_one_that_failed_to_start_is_not_stopped() -> None:
    log: list[str] = []

    class Broken(Part):
        async def start(self) -> None:
            raise OSError("port in use")

    lifecycle = Lifecycle(Reports())
    await lifecycle.start("pool", Part("pool", log))
    with pytest.raises(OSError, match="port in use"):
        await lifecycle.start("http", Broken("http", log))
    await lifecycle.stop(1)
    assert log == ["start pool", "stop pool"]


async def test_whoever_cancels_the_stop_is_heard() -> None:
    lifecycle = Lifecycle(Reports())
    lifecycle.on_stop("hangs", asyncio.Event().wait)  # type: ignore[arg-type]  # its answer is of no interest
    stopping = asyncio.create_task(lifecycle.stop(60))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping


async def test_who_is_in_a_hurry_cuts_off_what_is_being_stopped() -> None:
    reports = Reports()
    lifecycle = Lifecycle(reports)
    log: list[str] = []
    await lifecycle.start("pool", Part("pool", log))
    lifecycle.on_stop("hangs", asyncio.Event().wait)  # type: ignore[arg-type]  # its answer is of no interest
    stopping = asyncio.create_task(lifecycle.stop(3600))
    await asyncio.sleep(0)
    lifecycle.hurry()
    lifecycle.hurry()
    await stopping
    assert reports == [("hangs", "TimeoutError")]
    assert log[-1] == "stop pool"


async def test_a_hurry_before_the_stop_leaves_each_its_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.service.lifecycle.LAST_MOMENT", 0.01)
    reports = Reports()
    lifecycle = Lifecycle(reports)
    lifecycle.on_stop("hangs", asyncio.Event().wait)  # type: ignore[arg-type]  # its answer is of no interest
    lifecycle.hurry()
    await lifecycle.stop(3600)
    assert reports == [("hangs", "TimeoutError")]
