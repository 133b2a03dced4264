"""Live, started and ready are three things; a probe never hurts what it probes."""

from __future__ import annotations

import asyncio

import pytest

from atoll.service import Health
from atoll.service import health as module


async def up() -> None:
    """Always up."""


async def away() -> None:
    raise ConnectionRefusedError("127.0.0.1:5432\nsecond line")


def started(**checks: module.Check) -> Health:
    health = Health(checks)
    health.started = True
    return health


async def test_a_process_that_answers_is_alive_whatever_is_away() -> None:
    assert Health({"database": away}).live().up


async def test_it_is_started_once_start_up_is_done() -> None:
    health = Health()
    assert not health.start().up
    health.started = True
    assert health.start().up


async def test_it_is_ready_when_every_dependency_answers() -> None:
    report = await started(database=up, broker=up).ready()
    assert report.up
    assert {name: check.status for name, check in report.checks.items()} == {"database": "up", "broker": "up"}


async def test_a_dependency_that_is_away_is_named_in_one_line() -> None:
    report = await started(database=away, broker=up).ready()
    assert not report.up
    assert report.checks["database"].detail == "ConnectionRefusedError: 127.0.0.1:5432"
    assert report.checks["broker"].status == "up"


@pytest.mark.parametrize(("draining", "why"), [(False, "starting"), (True, "draining")])
async def test_it_is_not_ready_before_its_time_or_after(draining: bool, why: str) -> None:
    health = Health({"database": up})
    health.started, health.draining = draining, draining
    report = await health.ready()
    assert not report.up
    assert report.checks["lifecycle"].detail == why


async def test_a_dependency_that_does_not_answer_is_down_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_TIMEOUT", 0.01)

    async def hangs() -> None:
        await asyncio.Event().wait()

    report = await started(database=hangs).ready()
    assert report.checks["database"].detail == "no answer in 0.01 s"


async def test_many_probes_ask_a_dependency_once() -> None:
    asked = 0

    async def counted() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)

    health = started(database=counted)
    reports = await asyncio.gather(*(health.ready() for _ in range(50)))
    assert all(report.up for report in reports)
    await health.ready()
    assert asked == 1


async def test_an_answer_is_not_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_CACHE", 0.0)
    states = [up, away]

    async def changes() -> None:
        await states.pop(0)()

    health = started(database=changes)
    assert (await health.ready()).up
    assert not (await health.ready()).up


async def test_a_prober_that_goes_away_does_not_stop_the_others() -> None:
    gate = asyncio.Event()

    async def waits() -> None:
        await gate.wait()

    health = started(database=waits)
    first, second = asyncio.create_task(health.ready()), asyncio.create_task(health.ready())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.set()
    assert (await second).up


async def test_a_dependency_may_be_added_while_others_are_asked() -> None:
    health = Health()

    async def adds() -> None:
        health.add("late", up)

    health.add("first", adds)
    health.started = True
    assert (await health.ready()).up
