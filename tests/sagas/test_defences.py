"""Each defence of the sagas, taken out, lets the ledgers show it: so the tests see whether it is there."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from tests.sagas.conftest import Running, begin, give, note, noted, until
from tests.sagas.remote import TABLES, Pay, Payments, Remote, effects

from atoll.contracts import Event, Message
from atoll.data import Database, Work
from atoll.resilience.classify import Lost
from atoll.sagas import Saga, Sagas, saga
from atoll.sagas import actions as actions_module
from atoll.sagas import journal as journal_module
from atoll.sagas import starting as starting_module
from atoll.sagas.failures import Overtaken
from atoll.sagas.journal import Journal, Place

Scenario = Callable[[Database, str, Running], Awaitable[None]]
Mutation = Callable[[pytest.MonkeyPatch], None]


class Return(Message):
    order: str


class Arrived(Event, subject="parcel.arrived"):
    order: str


async def mark(work: Work, order: str, what: str) -> None:
    await note(work, order, what)


@saga(key="order", awaits=[Arrived])
async def stepping(start: Return, saga: Saga) -> None:
    await saga.step("mark", mark, start.order, "marked")
    await saga.timer(0.05)
    await saga.step("close", mark, start.order, "closed")


@saga(key="order")
async def refunding(start: Return, saga: Saga, payments: Payments) -> None:
    await saga.call("refund", payments.refund, Pay(start.order, 5))


async def each_step_once(database: Database, _: str, run: Running) -> None:
    await run(stepping)
    started = await begin(database, stepping, Return("a"))
    with contextlib.suppress(AssertionError):
        await until(database, started.id, "completed", within=1.5)
    assert await noted(database, "a") == ["marked", "closed"]


async def one_saga_a_key(database: Database, _: str, run: Running) -> None:
    first = await begin(database, stepping, Return("a"))
    second = await begin(database, stepping, Return("a"))
    await run(stepping)
    for started in (first, second):
        await until(database, started.id, "completed")
    assert await noted(database, "a") == ["marked", "closed"]


async def a_call_takes_effect_once(database: Database, url: str, run: Running) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(TABLES)
    await connection.close()
    remote, left = Remote(url), [2]

    async def lose(_: str) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise Lost("the connection broke")

    remote.after = lose
    await run(refunding, provided={Payments: Payments(remote)})
    started = await begin(database, refunding, Return("a"))
    await until(database, started.id, "completed")
    assert await effects(url) == ["refund a 5"]


async def a_twin_of_an_instance_writes_nothing(database: Database, _: str, run: Running) -> None:
    """Two instances that both believe to own the saga: its effect commits once."""
    started = await begin(database, stepping, Return("a"))
    twins = [await journal_module.load(database, started.id) for _ in range(2)]
    for journal in twins:
        assert journal is not None
        with contextlib.suppress(Overtaken):
            async with database.work() as work:
                await note(work, "a", "marked")
                await journal.done(work, Place("mark", (1,), "step"), None)
    assert await noted(database, "a") == ["marked"]


async def an_event_is_taken_once(database: Database, _: str, run: Running) -> None:
    await run(twice)
    started = await begin(database, twice, Return("a"))
    await give(database, twice, Arrived("a"))
    found = await Sagas(database).show(started.id)
    with contextlib.suppress(AssertionError):
        found = await until(database, started.id, "completed", within=1.0)
    assert found.saga.state == "running"


@saga(key="order", awaits=[Arrived])
async def twice(start: Return, saga: Saga) -> None:
    await saga.wait(Arrived)
    await saga.timer(0.05)
    await saga.wait(Arrived, name="the second parcel")


def no_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def done(self: Journal, work: Work, place: Place, result: str | None) -> None:
        await self.advance(work)

    monkeypatch.setattr(Journal, "done", done)


def no_unique_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting_module, "_START", starting_module._START.replace("$3, $4", "$3 || random(), $4"))


def no_idempotency_key(monkeypatch: pytest.MonkeyPatch) -> None:
    acting: Any = actions_module.acting
    counter = iter(range(1000))
    monkeypatch.setattr(
        "atoll.sagas.attempts.acting", lambda saga, step, saga_id, headers: acting(saga, step, next(counter), headers)
    )


def no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_ADVANCE", journal_module._ADVANCE.replace("version = $2", "version >= $2"))


def no_taking(monkeypatch: pytest.MonkeyPatch) -> None:
    async def take(self: Journal, work: Work, place: Place, event: Any) -> None:
        await self.done(work, place, event.data)

    monkeypatch.setattr(Journal, "take", take)


DEFENCES: list[tuple[Mutation, Scenario]] = [
    (no_journal, each_step_once),
    (no_unique_key, one_saga_a_key),
    (no_idempotency_key, a_call_takes_effect_once),
    (no_version, a_twin_of_an_instance_writes_nothing),
    (no_taking, an_event_is_taken_once),
]


@pytest.mark.parametrize(("mutation", "scenario"), DEFENCES, ids=lambda one: one.__name__)
async def test_with_the_defence_it_holds_and_without_it_does_not(
    mutation: Mutation, scenario: Scenario, database: Database, database_url: str, run: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await scenario(database, database_url, run)
    await run.stop()
    run.runners.clear()
    async with database.connection() as connection:
        await connection.execute("TRUNCATE ledger, atoll.sagas CASCADE; DROP TABLE IF EXISTS remote, attempts")
    mutation(monkeypatch)
    with pytest.raises(AssertionError):
        await scenario(database, database_url, run)
