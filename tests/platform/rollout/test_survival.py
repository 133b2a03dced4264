"""Whatever happens at whatever moment, a service ends at 100 % of one release, which is the stable one."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.platform.rollout.simulated import TWICE, Desk

from atoll.platform.rollout import Rollout, Rollouts
from atoll.platform.rollout.course import Course
from atoll.system import BlueGreen, Canary, Rolling, Trouble

STRATEGIES = [
    Canary(interval=10.0),
    Canary(interval=10.0, steps=(100,), shadow=20),
    BlueGreen(interval=10.0, warm=25.0),
    Rolling(interval=5.0),
]
BEHAVIOURS: list[dict[str, object]] = [
    {}, {"errors": 0.05}, {"within": TWICE}, {"crashes_after": 17.0}, {"rps": 0.0}, {"reached": False},
]  # fmt: skip
VERBS = ["promote", "pause", "resume_paused", "abort", "rollback", "begin"]
ACTS = ["launch", "smoke", "weigh", "shadow", "settle", "retire", "measure"]


class Killed(BaseException):
    """The process is gone, in the middle of what it did."""


@dataclass
class Fate:
    """What happens to a run. kills: numbers of journal writes at which the supervisor dies, before (odd) or after them.

    failures: (act, how manieth of its kind) -> how it fails. full: numbers of journal writes that find no space.
    """

    kills: list[int]
    failures: dict[tuple[str, int], str]
    orders: list[tuple[float, str]]
    full: list[int]
    restarts: bool


fates = st.builds(
    Fate,
    st.lists(st.integers(1, 24), max_size=4, unique=True),
    st.dictionaries(
        st.tuples(st.sampled_from(ACTS), st.integers(1, 6)), st.sampled_from(["trouble", "bug"]), max_size=6
    ),
    st.lists(st.tuples(st.floats(0, 80), st.sampled_from(VERBS)), max_size=5),
    st.lists(st.integers(2, 24), max_size=3),
    st.booleans(),
)


def watch_shares(desk: Desk) -> Callable[[], None]:
    """Fails if the stable release has less than what the new one is journaled to have leaves for it."""

    def look() -> None:
        latest, fleet = desk.journal.latest("orders"), desk.world.fleet
        shares = fleet.shares["orders"]
        assert sum(shares.values()) == 100
        assert all(fleet.instances["orders"].get(release) for release, share in shares.items() if share)
        if latest is not None:
            assert shares.get(latest.stable, 0) >= 100 - max(latest.share, _given(latest))

    return look


def _given(rollout: Rollout) -> int:
    """The largest share that this rollout, or one that was over before, was ever given by the book."""
    return (
        100 if rollout.over or rollout.phase == "going back" else max([one.share for one in rollout.entries], default=0)
    )


def doom(desk: Desk, fate: Fate) -> list[int]:
    """Let it happen. The journal writes at which the supervisor died are added to what is returned."""
    died: list[int] = []
    acts: Counter[str] = Counter()

    def act(name: str) -> None:
        acts[name] += 1
        look()
        how = fate.failures.get((name, acts[name]))
        if how is not None:
            raise Trouble("the engine is in trouble") if how == "trouble" else KeyError("a bug")

    def before(write: int) -> None:
        if write in fate.full:
            raise Trouble("no space left on the disk, so nothing is rolled out")
        if write in fate.kills and write % 2:
            die(write)

    def after(write: int) -> None:
        if write in fate.kills and not write % 2:
            die(write)

    def die(write: int) -> NoReturn:
        died.append(write)
        raise Killed

    look = watch_shares(desk)
    desk.world.fleet.before, desk.journal.before, desk.journal.after = act, before, after
    return died


async def run_to_the_end(desk: Desk, fate: Fate, died: list[int]) -> Rollouts:
    """Live on after each death that was one of the supervisor; whatever else ends a course is a bug."""
    revived, rollouts = 0, desk.open()
    for moment, verb in fate.orders:
        desk.world.clock.at(moment, lambda verb=verb: asyncio.ensure_future(_order(rollouts, verb)))  # type: ignore[misc]
    with contextlib.suppress(Killed, Trouble):
        await rollouts.begin("orders", "new")
    for _ in range(len(fate.kills) + 2):
        await _until_still(rollouts)
        latest = desk.journal.latest("orders")
        if latest is None or latest.over:
            break
        assert len(died) > revived, f"it stopped, and nobody killed it: {latest.phase}, {latest.entries[-3:]}"
        revived = len(died)
        await rollouts.stop()
        if fate.restarts:
            desk.world.fleet.restart()
        rollouts = desk.open()
        rollouts.resume()
    return rollouts


async def _order(rollouts: Rollouts, verb: str) -> None:
    with contextlib.suppress(Trouble, Killed):
        if verb == "begin":
            await rollouts.begin("orders", "newer")
        elif verb == "rollback":
            await rollouts.rollback("orders")
        else:
            getattr(rollouts, verb)("orders")


async def _until_still(rollouts: Rollouts) -> None:
    """Until no rollout runs: each is over, or died. A paused one is told to go on after a long while."""
    for turn in range(40_000):
        if all(task.done() for task in rollouts._tasks.values()):
            _require_no_bug(rollouts)
            return
        if turn % 5_000 == 4_999:
            with contextlib.suppress(Trouble, Killed):
                rollouts.resume_paused("orders")
        await asyncio.sleep(0)
    raise AssertionError(f"it does not end: {rollouts.latest()}")


def _require_no_bug(rollouts: Rollouts) -> None:
    """A course handles whatever is not the end of the process; one that dies of it would look healthy once revived."""
    for task in rollouts._tasks.values():
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Killed):
            raise AssertionError(f"{task.get_name()} died of {error!r}") from error


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(STRATEGIES), st.sampled_from(BEHAVIOURS), st.integers(1, 3), fates)
def test_it_ends_at_all_of_one_release_which_is_stable(
    strategy: Canary | BlueGreen | Rolling, behaviour: dict[str, object], instances: int, fate: Fate
) -> None:
    async def story() -> None:
        desk = Desk().declared(strategy).behaves("new", **behaviour)
        desk.world.fleet.add("orders", "old", instances)
        died = doom(desk, fate)
        rollouts = await run_to_the_end(desk, fate, died)
        await rollouts.stop()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # an order that came too late
        await asyncio.sleep(0)
        fleet = desk.world.fleet
        assert fleet.shares["orders"] == {fleet.settled["orders"]: 100}
        assert fleet.instances["orders"].get(fleet.settled["orders"])
        latest = desk.journal.latest("orders")
        event(latest.phase if latest is not None else "never begun")
        if latest is not None and latest.over:
            expected = latest.release if latest.phase == "promoted" else latest.stable
            assert fleet.settled["orders"] == expected

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # a killed supervisor's task tells nobody
    try:
        loop.run_until_complete(story())
    finally:
        loop.close()


async def test_a_course_that_dies_of_a_bug_is_not_revived(monkeypatch: pytest.MonkeyPatch) -> None:
    async def bug(_: Course) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(Course, "_back", bug)
    desk = Desk().behaves("new", errors=0.5)
    fate = Fate([], {}, [], [], restarts=False)
    with pytest.raises(AssertionError, match="rollout of orders died of KeyError"):
        await run_to_the_end(desk, fate, doom(desk, fate))
