from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.messaging.lanes import Lanes


class Run:
    """Records begin and end of jobs; each job gives way a number of times in between."""

    def __init__(self) -> None:
        self.began: dict[str, list[int]] = {}
        self.inside: set[str] = set()
        self.most = 0

    async def job(self, key: str, number: int, pauses: int) -> None:
        assert key not in self.inside, "two jobs of one key ran at once"
        self.inside.add(key)
        self.most = max(self.most, len(self.inside))
        self.began.setdefault(key, []).append(number)
        for _ in range(pauses):
            await asyncio.sleep(0)
        self.inside.discard(key)


jobs = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), max_size=40)


@given(jobs=jobs, limit=st.integers(1, 4))
def test_each_key_in_order_never_twice_at_once_and_never_above_the_limit(
    jobs: list[tuple[str, int]], limit: int
) -> None:
    async def main() -> None:
        run = Run()
        lanes = Lanes(asyncio.Semaphore(limit), lambda: None)
        for number, (key, pauses) in enumerate(jobs):
            lanes.submit(key, lambda key=key, number=number, pauses=pauses: run.job(key, number, pauses))  # type: ignore[misc]
        await lanes.below(1)
        assert run.began == {
            key: [number for number, (one, _) in enumerate(jobs) if one == key] for key in {key for key, _ in jobs}
        }
        assert run.most <= limit
        assert lanes.held == 0

    asyncio.run(main())


@given(jobs=jobs, steps=st.integers(0, 30))
def test_a_drain_at_any_time_leaves_a_prefix_of_each_key(jobs: list[tuple[str, int]], steps: int) -> None:
    async def main() -> None:
        run = Run()
        lanes = Lanes(asyncio.Semaphore(2), lambda: None)
        for number, (key, pauses) in enumerate(jobs):
            lanes.submit(key, lambda key=key, number=number, pauses=pauses: run.job(key, number, pauses))  # type: ignore[misc]
        for _ in range(steps):
            await asyncio.sleep(0)
        await lanes.drain()
        assert not run.inside
        assert lanes.held == 0
        for key, began in run.began.items():
            whole = [number for number, (one, _) in enumerate(jobs) if one == key]
            assert began == whole[: len(began)]

    asyncio.run(main())


async def test_a_job_that_breaks_keeps_those_behind_it_from_running(caplog: pytest.LogCaptureFixture) -> None:
    broken = asyncio.Event()
    lanes = Lanes(asyncio.Semaphore(2), broken.set)
    ran: list[str] = []

    async def fail() -> None:
        raise RuntimeError("a defect")

    async def note() -> None:
        ran.append("behind")

    lanes.submit("a", fail)
    lanes.submit("a", note)
    await asyncio.wait_for(broken.wait(), 5)
    await lanes.drain()
    assert ran == []
    assert "a job failed that should not" in caplog.text
