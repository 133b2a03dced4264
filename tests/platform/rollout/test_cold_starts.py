"""The first requests of a fresh process are slow, whatever its code is: they tell nothing of durations."""

from __future__ import annotations

from tests.platform.rollout.simulated import Desk, ended

from atoll.platform.rollout import Rollout, Wanted
from atoll.platform.rollout.records import Entry

TELLS_NOTHING = "its first 20 requests tell nothing of durations"


async def rolled_out(desk: Desk, wanted: Wanted | None = None) -> Rollout:
    rollouts = desk.open()
    await rollouts.begin("orders", "new", wanted)
    found = await ended(rollouts)
    await rollouts.stop()
    return found


def slow_traffic(rps: float) -> Desk:
    return Desk().behaves("new", rps=rps, cold=20.0).behaves("old", rps=rps)


def of_the_first_step(found: Rollout) -> list[Entry]:
    return [entry for entry in found.entries if entry.share == 5 and entry.findings]


def said_of_p99(entry: Entry) -> list[tuple[str, str]]:
    return [(one.outcome, one.text) for one in entry.findings if one.check == "p99"]


async def test_a_good_release_with_little_traffic_is_not_judged_by_its_cold_start() -> None:
    found = await rolled_out(slow_traffic(20.5))  # about a request a second: 31 in three intervals
    assert (found.phase, found.reason) == ("promoted", "new has all of the traffic")
    last = of_the_first_step(found)[-1]
    assert last.canary is not None
    assert (round(last.canary.requests), last.canary.p99 and last.canary.p99 < 0.3) == (31, True)


async def test_what_is_cold_is_watched_on_and_passes_at_the_end_of_patience() -> None:
    found = await rolled_out(slow_traffic(13.5))  # the twentieth comes with the last look
    assert [entry.decision for entry in of_the_first_step(found)] == ["watch on", "watch on", "go on"]
    assert said_of_p99(of_the_first_step(found)[-1]) == [("passed", TELLS_NOTHING)]
    assert found.phase == "promoted"


async def test_an_interval_that_was_cold_to_its_end_is_unsure() -> None:
    found = await rolled_out(slow_traffic(40.2))  # the twentieth comes with the last look of the first interval
    assert said_of_p99(of_the_first_step(found)[0]) == [("unsure", TELLS_NOTHING)]
    assert of_the_first_step(found)[0].decision == "watch on"
    assert found.phase == "promoted"


async def test_what_is_cold_has_no_durations_to_show() -> None:
    first = of_the_first_step(await rolled_out(slow_traffic(40.2)))[0]
    assert first.canary is not None
    assert first.stable is not None
    assert first.canary.p99 is None
    assert first.stable.p99 is not None


async def test_fewer_samples_are_fewer_cold_requests() -> None:
    desk = Desk().behaves("new", rps=13.5, cold=5.0).behaves("old", rps=13.5)
    found = await rolled_out(desk, Wanted(samples=5))
    assert [entry.decision for entry in of_the_first_step(found)] == ["go on"]
    assert found.phase == "promoted"


async def test_what_is_warm_already_is_judged_by_whatever_it_does_in_a_window() -> None:
    """Its requests come in the first fifth of a window, and none after."""
    desk = Desk().behaves("new", cold=20.0)
    desk.world.clock.at(12.1, lambda: desk.behaves("new", rps=0.0))
    found = await rolled_out(desk, Wanted(steps=(5, 25, 100)))
    second = next(entry for entry in found.entries if entry.share == 25 and entry.findings)
    assert said_of_p99(second)[0][1] != TELLS_NOTHING
