"""What a saga's function can do, on a real database."""

from __future__ import annotations

import asyncio

from tests.sagas.conftest import Running, begin, give, note, noted, until

from atoll.contracts import Conflict, Event, Message
from atoll.data import Database, Work
from atoll.sagas import Saga, Sagas, TimedOut, hours, saga


class Return(Message):
    order: str
    pieces: int = 1


class Arrived(Event, subject="parcel.arrived"):
    order: str
    weight: int = 0


class Inspected(Event, subject="parcel.inspected", key="parcel"):
    parcel: str
    good: bool


class Shelf(Message):
    number: int


async def put(work: Work, order: str, number: int) -> Shelf:
    await note(work, order, f"put {number}")
    return Shelf(number)


async def take(work: Work, order: str) -> None:
    await note(work, order, "take")


async def refuse(work: Work, order: str) -> None:
    await note(work, order, "never")
    raise Conflict("the shelf is full")


@saga(key="order")
async def plain(start: Return, saga: Saga) -> None:
    shelf = await saga.step("put", put, start.order, number=start.pieces)
    assert isinstance(shelf, Shelf)
    await saga.step("put again", put, start.order, shelf.number + 1)


async def test_steps_run_once_each_in_order(database: Database, run: Running) -> None:
    await run(plain)
    started = await begin(database, plain, Return("a", 3))
    found = await until(database, started.id, "completed")
    assert await noted(database, "a") == ["put 3", "put 4"]
    assert [(step.name, step.state, step.attempts, step.result) for step in found.steps] == [
        ("put", "done", 1, '{"number":3}'),
        ("put again", "done", 1, '{"number":4}'),
    ]
    assert found.saga.ended_at is not None


@saga(key="order")
async def refused(start: Return, saga: Saga) -> None:
    await saga.step("put", put, start.order, 1).undo(take, start.order)
    await saga.step("put more", put, start.order, 2).undo(put, start.order, -2)
    await saga.step("refuse", refuse, start.order).undo(put, start.order, 99)


async def test_a_refusal_compensates_what_was_done_the_last_first(database: Database, run: Running) -> None:
    await run(refused)
    started = await begin(database, refused, Return("a"))
    found = await until(database, started.id, "compensated")
    assert await noted(database, "a") == ["put 1", "put 2", "put -2", "take"]
    assert found.saga.cause == "Conflict: the shelf is full"


@saga(key="order", awaits=[Arrived])
async def waiting(start: Return, saga: Saga) -> None:
    await saga.step("put", put, start.order, 1).undo(take, start.order)
    arrived = await saga.wait(Arrived, timeout=hours(1))
    await saga.step("weigh", put, start.order, arrived.weight)


async def test_an_event_is_waited_for_and_a_twin_of_it_changes_nothing(database: Database, run: Running) -> None:
    await run(waiting)
    started = await begin(database, waiting, Return("a"))
    await asyncio.sleep(0.2)
    assert (await Sagas(database).show(started.id)).saga.state == "running"
    assert await give(database, waiting, Arrived("a", 7))
    found = await until(database, started.id, "completed")
    assert await noted(database, "a") == ["put 1", "put 7"]
    assert await give(database, waiting, Arrived("a", 8))
    assert not await give(database, waiting, Arrived("b", 8))
    found = await Sagas(database).show(started.id)
    assert [(event.subject, event.state) for event in found.events] == [
        ("parcel.arrived", "taken"),
        ("parcel.arrived", "late"),
    ]


async def test_an_event_that_came_before_it_was_waited_for_is_there(database: Database, run: Running) -> None:
    started = await begin(database, waiting, Return("a"))
    assert await give(database, waiting, Arrived("a", 7))
    await run(waiting)
    await until(database, started.id, "completed")
    assert await noted(database, "a") == ["put 1", "put 7"]


@saga(key="order", awaits=[Arrived])
async def impatient(start: Return, saga: Saga) -> None:
    await saga.step("put", put, start.order, 1).undo(take, start.order)
    await saga.wait(Arrived, timeout=0.2)


async def test_a_wait_that_times_out_compensates(database: Database, run: Running) -> None:
    await run(impatient)
    started = await begin(database, impatient, Return("a"))
    found = await until(database, started.id, "compensated")
    assert await noted(database, "a") == ["put 1", "take"]
    assert found.saga.cause.startswith("TimedOut: no parcel.arrived came within 0.2 s")


@saga(key="order", awaits=[Arrived])
async def forgiving(start: Return, saga: Saga) -> None:
    try:
        await saga.wait(Arrived, timeout=0.1)
    except TimedOut:
        await saga.step("remind", put, start.order, 5)
    await saga.timer(0.1)
    await saga.step("close", take, start.order)


async def test_a_timeout_can_be_caught_and_timers_pass(database: Database, run: Running) -> None:
    await run(forgiving)
    started = await begin(database, forgiving, Return("a"))
    await until(database, started.id, "completed")
    assert await noted(database, "a") == ["put 5", "take"]


@saga(key="order", awaits={Arrived: "order", Inspected: "parcel"})
async def parallel(start: Return, saga: Saga) -> None:
    async def inspected() -> bool:
        found = await saga.wait(Inspected)
        await saga.step("after inspection", put, start.order, 2).undo(put, start.order, -2)
        return found.good

    arrived, good = await saga.gather(saga.wait(Arrived), inspected())
    await saga.step("weigh", put, start.order, arrived.weight)
    if not good:
        raise Conflict("it is broken")


async def test_branches_wait_in_parallel(database: Database, run: Running) -> None:
    await run(parallel)
    started = await begin(database, parallel, Return("a"))
    await give(database, parallel, Inspected("a", good=True))
    await give(database, parallel, Arrived("a", 7))
    await until(database, started.id, "completed")
    assert await noted(database, "a") == ["put 2", "put 7"]


async def test_what_a_branch_did_is_compensated_too(database: Database, run: Running) -> None:
    await run(parallel)
    started = await begin(database, parallel, Return("a"))
    await give(database, parallel, Arrived("a", 7))
    await give(database, parallel, Inspected("a", good=False))
    await until(database, started.id, "compensated")
    assert await noted(database, "a") == ["put 2", "put 7", "put -2"]
