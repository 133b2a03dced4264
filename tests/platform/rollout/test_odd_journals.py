"""Journals that cannot be read, or say what cannot be: a line for each, and nothing is done on their word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.platform.rollout.simulated import AnyRelease, Desk, ended

from atoll.platform.rollout import Engine, FolderJournal, Plan, Rollout, Rollouts
from atoll.platform.rollout.course import Course
from atoll.platform.rollout.wishes import Wishes
from atoll.system import Trouble


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rollouts"


def opened(desk: Desk, folder: Path) -> Rollouts:
    engine = Engine(desk.world.fleet, FolderJournal(folder), desk.world.clock)
    return Rollouts(desk.system, engine, AnyRelease(), desk.gate)


def going(**changes: Any) -> Rollout:
    known = Rollout(3, "orders", "new", "old", Plan("canary"), 1.0, "stepping", step=1, share=5)
    return msgspec.structs.replace(known, **changes)


def put(path: Path, rollout: Rollout) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(rollout))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"service": "payments"}, "it is of 'payments', in a file of 'orders'"),
        ({"step": 5}, "step is 5 of 4"),
        ({"step": -1}, "step is -1 of 4"),
        ({"share": 101}, "share is 101 %"),
        ({"share": -5}, "share is -5 %"),
        ({"number": 0}, "its number is 0"),
        ({"stable": "new"}, "it is between 'new' and 'new'"),
        ({"plan": Plan("canary", steps=())}, "steps are missing"),
        ({"plan": Plan("canary", steps=(50, 5, 100))}, "steps are 50,5,100"),
        ({"plan": Plan("canary", steps=(5, 50))}, "steps are 5,50"),
        ({"plan": Plan("canary", steps=(0, 100))}, "steps are 0,100"),
        ({"plan": Plan("canary", instances=10**9)}, "instances are 1000000000"),
        ({"plan": Plan("canary", shadow=300)}, "shadow is 300 %"),
        ({"plan": Plan("canary", interval=-1.0)}, "interval is -1.0 s"),
    ],
)
async def test_what_cannot_be_is_a_line_and_nothing_is_done(folder: Path, changes: dict[str, Any], why: str) -> None:
    desk, path = Desk(), folder / "orders.json"
    put(path, going(**changes))
    rollouts = opened(desk, folder)
    assert rollouts.resume() == (f"{path} is damaged ({why}); remove it (the stable release is untouched)",)
    assert (dict(rollouts.latest()), rollouts._tasks, desk.world.fleet.acts) == ({}, {}, [])


async def test_a_folder_instead_of_a_journal_is_a_line_and_the_others_go_on(folder: Path) -> None:
    desk, path = Desk(), folder / "orders.json"
    path.mkdir(parents=True)
    put(folder / "payments.json", going(service="payments"))
    rollouts = opened(desk, folder)
    assert rollouts.resume() == (
        f"{path} cannot be read (Is a directory); remove it (the stable release is untouched)",
        "payments: the rollout of new goes on (stepping)",
    )
    assert (await ended(rollouts, "payments")).phase == "promoted"
    with pytest.raises(Trouble, match="cannot be read"):
        await rollouts.begin("orders", "new")


async def test_a_service_that_is_gone_is_a_line_only_if_something_is_left_undone(folder: Path) -> None:
    put(folder / "stock.json", going(service="stock"))
    put(folder / "carts.json", going(service="carts", phase="promoted"))
    said = opened(Desk(), folder).resume()
    assert said == (
        "stock: its rollout 3 is not over, and system.py has no such service; put it back, or remove the journal of stock",
    )


@pytest.mark.parametrize("phase", ["stepping", "warm", "going back"])
async def test_a_rollout_between_other_releases_than_what_runs_is_given_up(folder: Path, phase: str) -> None:
    desk = Desk()
    desk.world.fleet.add("orders", "dev")
    put(folder / "orders.json", going(phase=phase))
    rollouts = opened(desk, folder)
    why = "it was between old and new, and dev is the stable release now"
    assert rollouts.resume() == (f"orders: the rollout of new is given up: {why}; deploy again",)
    found = FolderJournal(folder).latest("orders")
    assert found is not None
    assert (found.over, found.reason, desk.world.fleet.acts) == (True, f"given up: {why}", [])
    await rollouts.begin("orders", "newer")
    assert (await ended(rollouts)).phase == "promoted"


async def test_a_damaged_file_of_the_history_is_in_nobodys_way(folder: Path) -> None:
    desk = Desk()
    rollouts = opened(desk, folder)
    for release in ("one", "two", "three"):
        await rollouts.begin("orders", release)
        await ended(rollouts)
    (folder / "orders" / "1.json").write_text("{")
    rollouts = opened(desk, folder)
    (line,) = rollouts.resume()
    assert line.startswith(f"{folder / 'orders' / '1.json'} is damaged (")
    assert [one.number for one in rollouts.history("orders")] == [3, 2]
    assert (await rollouts.rollback("orders")).release == "two"
    assert (await ended(rollouts)).number == 4
    await rollouts.begin("orders", "four")
    assert (await ended(rollouts)).number == 5


async def test_a_course_without_entries_that_finds_trouble_goes_back() -> None:
    desk, rollout = Desk(), going(phase="settling", wish="abort")
    engine = Engine(desk.world.fleet, desk.journal, desk.world.clock)
    course = Course(rollout, engine, Wishes(rollout), lambda: None)
    await course.run()
    assert (rollout.phase, rollout.reason) == ("rolled back", "aborted")


async def test_a_file_is_read_once_and_not_at_each_write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = FolderJournal(folder)
    journal.save(going())
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} is read"))
    journal.save(going(share=25))
    monkeypatch.undo()
    assert journal.latest("orders") == going(share=25)
