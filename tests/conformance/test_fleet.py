"""Every `Fleet` keeps the same promises: the one in memory, and the one of this machine with a real small system."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.platform.local.duo import running

from atoll.platform.local.fleet import LocalFleet
from atoll.platform.rollout import Fleet, MemoryFleet
from atoll.system import Trouble

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]
OLD, NEW = "dev", "second"
ONE_LINE = r"^[^\n]+$"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["memory", "local"])
async def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    if request.param == "memory":
        memory = MemoryFleet()
        memory.add("back", OLD)
        yield memory
        return
    async with running(tmp_path_factory.mktemp("conformance") / "tree") as duo:
        duo.releases.add(NEW)
        yield duo.supervisor.fleet


async def test_a_release_comes_takes_over_goes_back_and_leaves(fleet: Fleet) -> None:
    """One course, since each step stands on the one before; each act is done twice, which changes nothing."""
    assert (fleet.stable("back"), fleet.desired("back"), dict(fleet.running("back"))) == (OLD, 1, {OLD: 1})
    for _ in range(2):
        await fleet.launch("back", NEW, 1)
        assert dict(fleet.running("back")) == {OLD: 1, NEW: 1}
        assert await fleet.smoke("back", NEW) == ()
    for percent in (10, 0):
        await fleet.shadow("back", NEW, percent)
    for share in (5, 5, 100, 100):
        await fleet.weigh("back", {OLD: 100 - share, NEW: share}, consumers=share == 100)
        assert fleet.stable("back") == OLD
    readings = await fleet.measure("back")
    assert set(readings) == {OLD, NEW}
    assert all((one.ready, one.instances, one.reached) == (1, 1, True) for one in readings.values())
    with pytest.raises(Trouble, match=ONE_LINE):
        await fleet.retire("back", NEW)  # it has all of the traffic
    for release in (NEW, NEW, OLD):
        await fleet.settle("back", release)
        assert fleet.stable("back") == release
    await fleet.weigh("back", {OLD: 100, NEW: 0})
    for _ in range(2):
        await fleet.retire("back", NEW)
        assert dict(fleet.running("back")) == {OLD: 1}


async def test_the_release_that_is_settled_has_as_many_instances_as_are_desired_by_then(fleet: Fleet) -> None:
    await fleet.launch("back", NEW, 1)
    await scale(fleet, 2)
    assert (fleet.desired("back"), dict(fleet.running("back"))) == (2, {OLD: 2, NEW: 1})
    await fleet.weigh("back", {NEW: 100})
    await fleet.settle("back", NEW)
    assert dict(fleet.running("back")) == {OLD: 2, NEW: 2}
    await scale(fleet, 1)
    assert (fleet.desired("back"), dict(fleet.running("back"))) == (1, {OLD: 2, NEW: 1})
    await fleet.retire("back", OLD)
    await fleet.launch("back", OLD, 1)
    await fleet.weigh("back", {OLD: 100})
    await fleet.settle("back", OLD)
    await fleet.retire("back", NEW)


async def scale(fleet: Fleet, instances: int) -> None:
    """What people do by `atoll scale`; it is no part of the port."""
    if isinstance(fleet, MemoryFleet):
        fleet.scale("back", instances)
    else:
        assert isinstance(fleet, LocalFleet)
        await fleet._runner("back").scale(instances)


async def test_what_cannot_be_done_is_trouble_in_one_line_and_changes_nothing(fleet: Fleet) -> None:
    for wrong in ({OLD: 95}, {OLD: 95, "nobody": 5}, {OLD: 130, "nobody": -30}):
        with pytest.raises(Trouble, match=ONE_LINE):
            await fleet.weigh("back", wrong)
    with pytest.raises(Trouble, match=ONE_LINE):
        await fleet.settle("back", "nobody")
    assert (fleet.stable("back"), dict(fleet.running("back"))) == (OLD, {OLD: 1})
