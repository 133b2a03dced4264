"""Calls to other services: one key for all attempts, answers journaled, doubt compensated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from tests.sagas.conftest import Running, begin, note, noted, until
from tests.sagas.remote import TABLES, Declined, Pay, Payments, Remote, attempts, effects

from atoll.contracts import Conflict, Message, Unavailable, uuid7
from atoll.data import Database, Work
from atoll.resilience.classify import Lost
from atoll.sagas import GaveUp, Saga, Sagas, saga


class Return(Message):
    order: str


@pytest.fixture
async def remote(database_url: str) -> Remote:
    connection = await asyncpg.connect(database_url)
    await connection.execute(TABLES)
    await connection.close()
    return Remote(database_url)


def failing(times: int, error: Exception, operation: str = "refund") -> Callable[[str], Awaitable[None]]:
    left = times

    async def fail(name: str) -> None:
        nonlocal left
        if name == operation and left > 0:
            left -= 1
            raise error

    return fail


async def mark(work: Work, order: str, what: str) -> None:
    await note(work, order, what)


async def full(work: Work, order: str) -> None:
    raise Conflict("the shelf is full")


@saga(key="order", patience=2.0)
async def refunding(start: Return, saga: Saga, payments: Payments) -> None:
    await saga.step("mark", mark, start.order, "returning").undo(mark, start.order, "not returning")
    paid = await saga.call("refund", payments.refund, Pay(start.order, uuid7().int % 1000)).undo(
        payments.charge, Pay(start.order, 7)
    )
    await saga.step("close", mark, start.order, f"closed {paid.amount}")


async def test_a_lost_reply_is_asked_for_again_under_the_same_key(
    database: Database, database_url: str, run: Running, remote: Remote
) -> None:
    """Even though the code makes another message each time: the journal sends the first one."""
    remote.after = failing(2, Lost("the connection broke"))
    await run(refunding, provided={Payments: Payments(remote)})
    started = await begin(database, refunding, Return("a"))
    found = await until(database, started.id, "completed")
    assert len(await attempts(database_url)) == 3
    assert len(await effects(database_url)) == 1
    assert [step.attempts for step in found.steps if step.name == "refund"] == [3]


async def test_a_refusal_is_caught_by_its_class_and_at_each_replay_again(
    database: Database, database_url: str, run: Running, remote: Remote
) -> None:
    remote.before = failing(1, Declined("no"))
    await run(declining, provided={Payments: Payments(remote)})
    started = await begin(database, declining, Return("a"))
    await until(database, started.id, "completed")
    assert await noted(database, "a") == ["declined: no"]
    assert await effects(database_url) == []


@saga(key="order")
async def declining(start: Return, saga: Saga, payments: Payments) -> None:
    try:
        await saga.call("refund", payments.refund, Pay(start.order, 5)).undo(payments.charge, Pay(start.order, 5))
    except Declined as error:
        await saga.timer(0.05)
        await saga.step("note", mark, start.order, f"declined: {error.detail}")


async def test_a_call_in_doubt_is_undone_too(
    database: Database, database_url: str, run: Running, remote: Remote
) -> None:
    remote.after = failing(99, Lost("the connection broke"))
    await run(refunding, provided={Payments: Payments(remote)})
    started = await begin(database, refunding, Return("a"))
    found = await until(database, started.id, "compensated")
    assert [what.split()[0] for what in await effects(database_url)] == ["refund", "charge"]
    assert await noted(database, "a") == ["returning", "not returning"]
    assert found.saga.cause.startswith("GaveUp: ")


async def test_a_refused_call_is_not_undone(
    database: Database, database_url: str, run: Running, remote: Remote
) -> None:
    remote.before = failing(1, Declined("no"))
    await run(refunding, provided={Payments: Payments(remote)})
    started = await begin(database, refunding, Return("a"))
    await until(database, started.id, "compensated")
    assert await effects(database_url) == []
    assert await noted(database, "a") == ["returning", "not returning"]


@saga(key="order")
async def taken_back(start: Return, saga: Saga, payments: Payments) -> None:
    await saga.step("mark", mark, start.order, "returning").undo(mark, start.order, "not returning")
    paid = await saga.call("refund", payments.refund, Pay(start.order, 5))
    await saga.undo("charge back", payments.charge, Pay(start.order, paid.amount + 1))
    await saga.step("full", full, start.order)


async def test_a_compensation_that_fails_five_times_is_effective_once(
    database: Database, database_url: str, run: Running, remote: Remote
) -> None:
    remote.after = failing(5, Unavailable("down"), "charge")
    await run(taken_back, provided={Payments: Payments(remote)})
    started = await begin(database, taken_back, Return("a"))
    found = await until(database, started.id, "compensated", within=40)
    assert await effects(database_url) == ["refund a 5", "charge a 6"]
    assert (await attempts(database_url)).count("charge a 6") == 6
    assert await noted(database, "a") == ["returning", "not returning"]
    assert [(one.kind, one.state, one.attempts) for one in found.steps if one.name == "undo charge back"] == [
        ("undo", "done", 6)
    ]


@saga(key="order", undo_patience=0.3)
async def hopeless(start: Return, saga: Saga, payments: Payments) -> None:
    await saga.step("mark", mark, start.order, "returning").undo(mark, start.order, "not returning")
    await saga.call("refund", payments.refund, Pay(start.order, 5)).undo(payments.charge, Pay(start.order, 5))
    await saga.step("full", full, start.order)


@pytest.mark.parametrize("how", ["retry", "skip"])
async def test_a_compensation_that_never_succeeds_is_parked_for_a_person(
    how: str, database: Database, database_url: str, run: Running, remote: Remote
) -> None:
    remote.before = failing(99, Conflict("the books are closed"), "charge")
    await run(hopeless, provided={Payments: Payments(remote)})
    started = await begin(database, hopeless, Return("a"))
    found = await until(database, started.id, "parked")
    assert found.saga.step == "undo refund"
    assert "the books are closed" in found.saga.trouble
    assert await noted(database, "a") == ["returning"]  # what comes after it waits: the order is kept
    sagas = Sagas(database)
    assert [one.id for one in await sagas.list(stuck=True)] == [started.id]
    with pytest.raises(Conflict, match="already"):
        await sagas.compensate(started.id)
    if how == "retry":
        remote.before = None
        await sagas.retry(started.id)
    else:
        assert await sagas.skip(started.id) == "undo refund"
    await until(database, started.id, "compensated")
    assert await noted(database, "a") == ["returning", "not returning"]
    assert (await effects(database_url)).count("charge a 5") == (how == "retry")
    assert await sagas.list(stuck=True) == []


async def test_a_late_reply_after_compensation_is_recorded_and_changes_nothing(
    database: Database, database_url: str, run: Running, remote: Remote
) -> None:
    """A person compensates while the call is under way; its undo waits until the call cannot be under way any more."""
    answered, asked = asyncio.Event(), asyncio.Event()

    async def slow(name: str) -> None:
        if name == "refund":
            asked.set()
            await answered.wait()

    remote.before = slow
    await run(refunding, provided={Payments: Payments(remote)})
    started = await begin(database, refunding, Return("a"))
    await asked.wait()
    await Sagas(database).compensate(started.id, why="the customer keeps it")
    answered.set()
    found = await until(database, started.id, "compensated")
    assert [event.subject for event in found.events if event.state == "late"] == ["reply to refund"]
    assert [what.split()[0] for what in await effects(database_url)] == ["refund", "charge"]
    assert await noted(database, "a") == ["returning", "not returning"]
    assert found.saga.cause == "the customer keeps it"
    assert "closed" not in str(await noted(database, "a"))


@saga(key="order")
async def unsafe(start: Return, saga: Saga, payments: Payments) -> None:
    await saga.call("notify", payments.notify, Pay(start.order, 1))


async def test_a_call_that_could_take_effect_twice_is_refused(database: Database, run: Running, remote: Remote) -> None:
    await run(unsafe, provided={Payments: Payments(remote)})
    started = await begin(database, unsafe, Return("a"))
    found = await until(database, started.id, "parked")
    assert "neither keyed nor idempotent" in found.saga.trouble


@saga(key="order", patience=0.3)
async def caught(start: Return, saga: Saga, payments: Payments) -> None:
    try:
        await saga.call("refund", payments.refund, Pay(start.order, 5)).within(0.1)
    except GaveUp:
        await saga.step("note", mark, start.order, "gave up")


async def test_giving_up_can_be_caught(database: Database, run: Running, remote: Remote) -> None:
    remote.before = failing(99, Unavailable("down"))
    await run(caught, provided={Payments: Payments(remote)})
    started = await begin(database, caught, Return("a"))
    await until(database, started.id, "completed")
    assert await noted(database, "a") == ["gave up"]
