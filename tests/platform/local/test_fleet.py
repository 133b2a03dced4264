"""Releases side by side in a real small system with Envoy, PostgreSQL and NATS."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from math import sqrt

import asyncpg
import pytest
import pytest_asyncio
from tests.platform.local.duo import FAILING_MIGRATION, Duo, running

from atoll.system import Trouble

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Duo]:
    async with running(tmp_path_factory.mktemp("fleet") / "tree") as duo:
        yield duo


@pytest_asyncio.fixture(loop_scope="module")
async def duo(system: Duo) -> AsyncIterator[Duo]:
    """The system; afterwards only the working tree runs."""
    yield system
    fleet = system.supervisor.fleet
    for service in ("front", "back"):
        await fleet.shadow(service, "dev", 0)
        await fleet.launch(service, "dev", 1)
        await fleet.weigh(service, {"dev": 100})
        await fleet.settle(service, "dev")
        for release in set(fleet.running(service)) - {"dev"}:
            await fleet.retire(service, release)


def within(found: int, count: int, percent: int) -> bool:
    """4.5 standard deviations of a binomial."""
    share = percent / 100
    return abs(found - count * share) <= 4.5 * sqrt(count * share * (1 - share)) + 1


async def until(condition: object, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.02)


async def test_a_release_is_launched_weighed_measured_settled_and_the_old_one_retired(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    duo.releases.add("good")
    before = (await fleet.measure("back"))["dev"]
    await fleet.launch("back", "good", 1)
    await fleet.launch("back", "good", 1)  # once more changes nothing
    assert fleet.running("back") == {"dev": 1, "good": 1}
    assert await fleet.smoke("back", "good") == ()
    assert await duo.many("/back", 60) == {"dev": 60}  # without traffic
    assert await duo.many("/front", 60) == {"dev": 60}
    await fleet.weigh("back", {"dev": 75, "good": 25})
    for path in ("/back", "/front"):
        found = await duo.many(path, 600)
        assert found["dev"] + found["good"] == 600
        assert within(found["good"], 600, 25), (path, found)
    readings = await fleet.measure("back")
    assert readings["dev"].requests - before.requests + readings["good"].requests == 1320
    assert readings["good"].buckets[float("inf")] == readings["good"].requests
    assert (readings["good"].errors, readings["good"].restarts, readings["good"].ready) == (0, 0, 1)
    assert readings["good"].reached
    await fleet.weigh("back", {"good": 100, "dev": 0})
    await fleet.settle("back", "good")
    await fleet.retire("back", "dev")
    await fleet.retire("back", "dev")
    assert fleet.running("back") == {"good": 1}
    assert fleet.stable("back") == "good"
    assert await duo.many("/front", 30) == {"good": 30}
    status = duo.supervisor.status()["services"]["back"]  # type: ignore[index]
    assert (status["release"], status["shares"]) == ("good", {"good": 100})
    await duo.supervisor.scale("back", 2)
    assert fleet.running("back") == {"good": 2}
    await duo.supervisor.restart("back")
    assert fleet.running("back") == {"good": 2}
    await duo.supervisor.scale("back", 1)


async def test_what_cannot_be_done_is_one_line_and_changes_nothing(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    with pytest.raises(Trouble, match="there is no release 'nothing'"):
        await fleet.launch("back", "nothing", 1)
    with pytest.raises(Trouble, match="there is no service 'other'"):
        await fleet.launch("other", "good", 1)
    with pytest.raises(Trouble, match="has no instance that could take 5 %"):
        await fleet.weigh("back", {"dev": 95, "nothing": 5})
    with pytest.raises(Trouble, match="100 in all"):
        await fleet.weigh("back", {"dev": 95})
    with pytest.raises(Trouble, match="is in use"):
        await fleet.retire("back", "dev")
    with pytest.raises(Trouble, match="has no instance"):
        await fleet.settle("back", "nothing")
    assert await duo.many("/front", 30) == {"dev": 30}


async def test_a_release_that_does_not_start_leaves_nothing(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    duo.releases.add("broken", "crash at start")
    async with duo.load("/back", "/front") as found:
        with pytest.raises(Trouble, match=r"this release is broken|ended with exit code 1"):
            await fleet.launch("back", "broken", 2)
    assert fleet.running("back") == {"dev": 1}
    assert set(found) == {"/back 200", "/front 200", "/back by dev", "/front by dev"}


async def test_a_release_that_is_never_ready_is_ended_in_time(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    duo.releases.add("sleeper", "never ready")
    usual, fleet.start_within = fleet.start_within, 2.0
    try:
        with pytest.raises(Trouble, match="back-2: not ready after 2 s"):
            await fleet.launch("back", "sleeper", 1)
    finally:
        fleet.start_within = usual
    assert fleet.running("back") == {"dev": 1}


async def test_a_failed_migration_leaves_all_as_it_is(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    folder = duo.releases.add("unmigrated")
    (folder / "back/src/duo_back_data/migrations/0002_more.py").write_text(FAILING_MIGRATION)
    with pytest.raises(Trouble, match="back_0002"):
        await fleet.launch("back", "unmigrated", 1)
    assert fleet.running("back") == {"dev": 1}
    assert await duo.many("/back", 20) == {"dev": 20}


async def test_a_cancelled_launch_leaves_nothing(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    duo.releases.add("late", "never ready")
    launching = asyncio.create_task(fleet.launch("back", "late", 1))
    await until(lambda: "late" in fleet.running("back"))
    launching.cancel()
    await asyncio.gather(launching, return_exceptions=True)
    assert fleet.running("back") == {"dev": 1}


async def test_a_tester_has_a_release_at_the_gateway_and_inside(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    duo.releases.add("pinned")
    await fleet.launch("back", "pinned", 1)
    for headers in ({"atoll-release": "back=pinned"}, {"cookie": "atoll-release=back=pinned"}):
        for path in ("/back", "/front"):
            assert {(await duo.get(path, headers))[1]["release"] for _ in range(10)} == {"pinned"}
    for headers in ({"atoll-release": "back=gone"}, {"cookie": "atoll-release=nonsense"}, {}):
        for path in ("/back", "/front"):
            assert await duo.get(path, headers) == (200, {"release": "dev"})


async def test_the_errors_of_a_release_are_its_own_and_none_is_hidden(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    duo.releases.add("failing", "fail")
    await fleet.launch("back", "failing", 1)
    before = await fleet.measure("back")
    await fleet.weigh("back", {"dev": 80, "failing": 20})
    found = await duo.many("/back", 400)
    after = await fleet.measure("back")
    assert 20 < found["500"] < 70
    assert found["500"] + found["failing"] + found["dev"] == 400
    assert after["failing"].errors - before["failing"].errors == found["500"]
    assert after["dev"].errors == before["dev"].errors


async def test_the_failures_of_a_release_that_dies_count_and_stay_in_its_share(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    duo.releases.add("dying", "die")
    await fleet.launch("back", "dying", 1)
    before = await fleet.measure("back")
    await fleet.weigh("back", {"dev": 80, "dying": 20})
    found = await duo.many("/back", 500)
    await fleet.weigh("back", {"dev": 100, "dying": 0})
    after = await fleet.measure("back")
    bad = sum(count for kind, count in found.items() if kind.isdigit())
    assert bad <= 500 * 0.2
    assert after["dying"].restarts > 0
    # Not all that clients saw: while no instance is there, the gateway answers itself. And more: it counts what it repeated.
    assert after["dying"].errors > before["dying"].errors
    assert after["dev"].errors == before["dev"].errors


async def test_copies_go_to_a_shadow_and_do_not_count_twice(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    duo.releases.add("shadowed", "fail")
    await fleet.launch("back", "shadowed", 1)
    await fleet.shadow("back", "shadowed", 100)
    assert await duo.many("/back", 50) == {"dev": 50}
    async with asyncio.timeout(10):
        while (await fleet.measure("back"))["shadowed"].requests < 50:
            await asyncio.sleep(0.05)
    reading = (await fleet.measure("back"))["shadowed"]
    assert (reading.requests, reading.errors) == (50, 25)  # no data of the copies is lost
    await fleet.shadow("back", "shadowed", 0)
    assert await duo.many("/back", 20) == {"dev": 20}
    assert (await fleet.measure("back"))["shadowed"].requests == 50


async def test_events_follow_the_shares_or_wait_until_a_release_is_settled(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    duo.releases.add("reader")
    wiring = duo.supervisor._runners["back"]._wiring
    connection = await asyncpg.connect(wiring.databases["back"])

    async def handled(prefix: str) -> dict[str, int]:
        """Of 100 events, by release."""
        for number in range(100):
            assert await duo.note(f"{prefix}-{number}") == 200
        async with asyncio.timeout(45):
            while True:
                rows = await connection.fetch(
                    "SELECT release, count(*), count(DISTINCT name) AS names FROM notes WHERE name LIKE $1 GROUP BY 1",
                    f"{prefix}-%",
                )
                if sum(row["names"] for row in rows) == 100:
                    assert sum(row["count"] for row in rows) == 100
                    return {row["release"]: row["count"] for row in rows}
                await asyncio.sleep(0.05)

    try:
        await fleet.launch("back", "reader", 1)
        assert await handled("launched") == {"dev": 100}
        await fleet.weigh("back", {"dev": 50, "reader": 50}, consumers=False)
        assert await handled("waiting") == {"dev": 100}
        await fleet.weigh("back", {"dev": 50, "reader": 50})
        await asyncio.sleep(1.5)  # for the partitions to move; events handled meanwhile are counted either way
        found = await handled("shared")
        assert min(found["dev"], found["reader"]) > 10
        await fleet.weigh("back", {"dev": 0, "reader": 100})
        await fleet.settle("back", "reader")
        await fleet.retire("back", "dev")
        assert (await handled("settled"))["reader"] == 100
    finally:
        await connection.close()


async def test_releases_come_and_go_five_times_under_load_and_no_request_fails(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    for number in range(5):
        duo.releases.add(f"turn{number}")
    async with duo.load("/back", "/front") as found:
        for number in range(5):
            release = f"turn{number}"
            await fleet.launch("back", release, 1)
            for share in (5, 50, 100):
                await fleet.weigh("back", {"dev": 100 - share, release: share})
                await asyncio.sleep(0.2)
            await fleet.weigh("back", {"dev": 100, release: 0})
            await fleet.retire("back", release)
    assert {kind for kind in found if kind[-3:].isdigit()} == {"/back 200", "/front 200"}, found
    for number in range(5):
        assert found[f"/back by turn{number}"] > 0
        assert found[f"/front by turn{number}"] > 0


async def test_the_keeper_brings_back_what_was_killed_with_its_share(duo: Duo) -> None:
    fleet = duo.supervisor.fleet
    duo.releases.add("killed")
    await fleet.launch("back", "killed", 1)
    await fleet.weigh("back", {"dev": 50, "killed": 50})
    runner = duo.supervisor._runners["back"]
    old = runner.of("killed")[0].keeper.pid
    assert old is not None
    os.kill(old, signal.SIGKILL)
    await until(lambda: (now := runner.of("killed")[0].keeper).phase == "ready" and now.pid not in {None, old})
    assert await duo.supervisor._publishing.settle()
    found = await duo.many("/back", 300)
    assert within(found["killed"], 300, 50), found
    assert (await fleet.measure("back"))["killed"].restarts == 1


async def test_after_a_new_start_the_stable_release_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("again") / "tree"
    async with running(folder) as duo:
        duo.releases.add("kept")
        await duo.supervisor.fleet.launch("back", "kept", 1)
        await duo.supervisor.fleet.weigh("back", {"kept": 100})
        await duo.supervisor.fleet.settle("back", "kept")
        await duo.supervisor.fleet.retire("back", "dev")
    async with running(folder) as duo:
        assert duo.supervisor.fleet.running("back") == {"kept": 1}
        assert await duo.get("/front") == (200, {"release": "kept"})
