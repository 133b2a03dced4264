"""What stands in the way is parked with a clear line; a person retries, skips or compensates; nothing is lost."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.sagas.conftest import Running, begin, give, note, noted, until

from atoll.contracts import Conflict, Event, Message, NotFound, uuid7
from atoll.data import Database, Work
from atoll.sagas import Saga, Sagas, saga


class Return(Message):
    order: str


class Arrived(Event, subject="parcel.arrived"):
    order: str


class Place(Message):
    shelf: int


async def mark(work: Work, order: str, what: str) -> None:
    await note(work, order, what)


broken = {"place": True}


async def place(work: Work, order: str) -> Place:
    await note(work, order, "placed")
    if broken["place"]:
        raise ZeroDivisionError("no shelf")
    return Place(7)


@pytest.fixture(autouse=True)
def _broken() -> None:
    broken["place"] = True


@saga(key="order", patience=0.2, name="placing")
async def placing(start: Return, saga: Saga) -> None:
    await saga.step("mark", mark, start.order, "marked").undo(mark, start.order, "unmarked")
    found = await saga.step("place", place, start.order).undo(mark, start.order, "displaced")
    await saga.step("close", mark, start.order, f"closed {found.shelf}")


async def parked(database: Database, run: Running, caplog: pytest.LogCaptureFixture) -> Any:
    await run(placing)
    started = await begin(database, placing, Return("a"))
    found = await until(database, started.id, "parked")
    assert found.saga.step == "place"
    assert "ZeroDivisionError: no shelf" in found.saga.trouble
    assert await noted(database, "a") == ["marked"]
    (record,) = [one for one in caplog.records if (one.name, one.levelno) == ("atoll.sagas", logging.ERROR)]
    assert f"atoll sagas show {started.id}" in record.getMessage()
    return started.id


async def test_a_defect_is_parked_and_retried(
    database: Database, run: Running, caplog: pytest.LogCaptureFixture
) -> None:
    saga_id = await parked(database, run, caplog)
    broken["place"] = False
    await Sagas(database).retry(saga_id)
    await until(database, saga_id, "completed")
    assert await noted(database, "a") == ["marked", "placed", "closed 7"]


async def test_a_step_is_skipped_with_the_result_that_a_person_gives(
    database: Database, run: Running, caplog: pytest.LogCaptureFixture
) -> None:
    saga_id = await parked(database, run, caplog)
    assert await Sagas(database).skip(saga_id, result='{"shelf": 3}') == "place"
    found = await until(database, saga_id, "completed")
    assert await noted(database, "a") == ["marked", "closed 3"]
    assert [step.state for step in found.steps] == ["done", "skipped", "done"]


async def test_what_was_done_is_compensated_by_a_person(
    database: Database, run: Running, caplog: pytest.LogCaptureFixture
) -> None:
    saga_id = await parked(database, run, caplog)
    await Sagas(database).compensate(saga_id)
    found = await until(database, saga_id, "compensated")
    assert await noted(database, "a") == ["marked", "unmarked"]
    assert found.saga.cause == "a person decided so"
    for repair in (Sagas(database).retry, Sagas(database).skip, Sagas(database).compensate):
        with pytest.raises(Conflict, match="nothing left to do"):
            await repair(saga_id)
        with pytest.raises(NotFound):
            await repair(uuid7())


async def test_a_result_that_does_not_fit_is_parked_again(
    database: Database, run: Running, caplog: pytest.LogCaptureFixture
) -> None:
    saga_id = await parked(database, run, caplog)
    with pytest.raises(Conflict, match="no JSON"):
        await Sagas(database).skip(saga_id, result="seven")
    await Sagas(database).skip(saga_id, result='{"shelf": "seven"}')
    found = await until(database, saga_id, "parked")
    assert "'place' is no <class" in found.saga.trouble


@saga(key="order", awaits=[Arrived], name="changing")
async def old(start: Return, saga: Saga) -> None:
    await saga.step("mark", mark, start.order, "marked").undo(mark, start.order, "unmarked")
    await saga.wait(Arrived)
    await saga.step("close", mark, start.order, "closed")


@saga(key="order", awaits=[Arrived], name="changing")
async def inserted(start: Return, saga: Saga) -> None:
    await saga.step("greet", mark, start.order, "greeted")
    await saga.step("mark", mark, start.order, "marked")
    await saga.wait(Arrived)


@saga(key="order", awaits=[Arrived], name="changing")
async def removed(start: Return, saga: Saga) -> None:
    await saga.step("mark", mark, start.order, "marked")


@saga(key="order", awaits=[Arrived], name="changing")
async def moved(start: Return, saga: Saga) -> None:
    await saga.step("mark", mark, start.order, "marked")
    await saga.timer(0.0, name="first")
    await saga.wait(Arrived)


@saga(key="order", awaits=[Arrived], name="changing")
async def grown(start: Return, saga: Saga) -> None:
    await saga.step("mark", mark, start.order, "marked").undo(mark, start.order, "unmarked")
    await saga.wait(Arrived)
    await saga.step("close", mark, start.order, "closed")
    await saga.step("thank", mark, start.order, "thanked")


@pytest.mark.parametrize(
    ("new", "line"),
    [
        (inserted, "at position 1 it holds step 'mark', and the code asks for step 'greet'"),
        (removed, "it holds wait 'wait for parcel.arrived' at position 2, which the code did not come to"),
        (moved, "at position 2 it holds wait 'wait for parcel.arrived', and the code asks for timer 'first'"),
    ],
)
async def test_a_journal_of_older_code_is_parked_and_goes_on_with_code_that_fits(
    new: Any, line: str, database: Database, run: Running
) -> None:
    runner = await run(old)
    started = await begin(database, old, Return("a"))
    while not any(step.kind == "wait" for step in (await Sagas(database).show(started.id)).steps):
        pass
    await runner.stop()
    await give(database, old, Arrived("a"))
    runner = await run(new)
    found = await until(database, started.id, "parked")
    assert found.saga.trouble == f"the journal does not fit the code: {line}"
    with pytest.raises(Conflict, match="which step"):
        await Sagas(database).skip(started.id, step="greet")
    await runner.stop()
    await run(grown)
    await until(database, started.id, "completed")
    assert await noted(database, "a") == ["marked", "closed", "thanked"]


async def test_compensation_needs_code_that_knows_what_was_done(database: Database, run: Running) -> None:
    runner = await run(old)
    started = await begin(database, old, Return("a"))
    while not any(step.kind == "wait" for step in (await Sagas(database).show(started.id)).steps):
        pass
    await Sagas(database).compensate(started.id)
    await until(database, started.id, "compensated")
    assert await noted(database, "a") == ["marked", "unmarked"]
    second = await begin(database, old, Return("b"))
    while not any(step.kind == "wait" for step in (await Sagas(database).show(second.id)).steps):
        pass
    await runner.stop()
    await run(inserted)
    await Sagas(database).compensate(second.id)
    found = await until(database, second.id, "parked")
    assert "the journal does not fit the code" in found.saga.trouble
    assert await noted(database, "b") == ["marked"]


@saga(key="order", awaits=[Arrived])
async def lost_parcel(start: Return, saga: Saga) -> None:
    arrived = await saga.wait(Arrived)
    await saga.step("close", mark, start.order, f"closed {arrived.order}")


async def test_a_person_can_give_the_event_that_never_came(database: Database, run: Running) -> None:
    await run(lost_parcel)
    started = await begin(database, lost_parcel, Return("a"))
    while not (await Sagas(database).show(started.id)).steps:
        pass
    with pytest.raises(Conflict, match="gives an event"):
        await Sagas(database).skip(started.id)
    await Sagas(database).skip(started.id, result='{"order": "a"}')
    await until(database, started.id, "completed")
    assert await noted(database, "a") == ["closed a"]


@saga(key="order")
async def defective(start: Return, saga: Saga) -> None:
    await saga.step("mark", mark, start.order, "marked")
    raise KeyError("oops")


@saga(key="order")
async def twins(start: Return, saga: Saga) -> None:
    await saga.step("mark", mark, start.order, "marked")
    await saga.step("mark", mark, start.order, "marked")


@saga(key="order")
async def undeclared(start: Return, saga: Saga) -> None:
    await saga.wait(Arrived)


async def untyped(work: Work):  # type: ignore[no-untyped-def]
    return 3


@saga(key="order")
async def untypable(start: Return, saga: Saga) -> None:
    await saga.step("untyped", untyped)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (defective, "its code failed: KeyError: 'oops' (test_repair.py:"),
        (twins, "two steps are named 'mark'; give each a name of its own, such as f'mark {number}'"),
        (undeclared, "it waits for Arrived, which is not declared; add it to @saga(awaits=[...]) of undeclared"),
        (untypable, "untyped has no return type; the journal gives its result back by that type"),
    ],
)
async def test_wrong_code_is_parked_at_once_with_one_line(
    wrong: Any, line: str, database: Database, run: Running
) -> None:
    await run(wrong)
    started = await begin(database, wrong, Return("a"))
    found = await until(database, started.id, "parked")
    assert line in found.saga.trouble
    assert "\n" not in found.saga.trouble


@saga(key="order", awaits=[Arrived])
async def tidy(start: Return, saga: Saga) -> None:
    try:
        await saga.wait(Arrived)
    except BaseException:
        await saga.step("wrong", mark, start.order, "never")
        raise
    finally:
        await saga.step("tidy", mark, start.order, "tidied")


async def test_a_finally_runs_when_the_code_ends_not_when_it_is_suspended(database: Database, run: Running) -> None:
    await run(tidy)
    started = await begin(database, tidy, Return("a"))
    while not (await Sagas(database).show(started.id)).steps:
        pass
    assert await noted(database, "a") == []
    await give(database, tidy, Arrived("a"))
    await until(database, started.id, "completed")
    assert await noted(database, "a") == ["tidied"]


async def test_counts_by_name_and_state(database: Database, run: Running, caplog: pytest.LogCaptureFixture) -> None:
    await parked(database, run, caplog)
    (count,) = await Sagas(database).count()
    assert (count.name, count.status, count.compensating, count.number, count.stuck) == (
        "placing", "parked", False, 1, 1,
    )  # fmt: skip
