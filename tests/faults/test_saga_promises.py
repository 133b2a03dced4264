"""A saga's timer and an event at the same moment, decided without a clock."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.sagas.conftest import begin, give

from atoll.contracts import Event, Message
from atoll.data import Database
from atoll.sagas import Saga, saga
from atoll.sagas.failures import Overtaken
from atoll.sagas.journal import Place, load


class Return(Message):
    order: str


class Arrived(Event, subject="parcel.arrived"):
    order: str


@saga(key="order", awaits=[Arrived])
async def waiting(start: Return, saga: Saga) -> None:
    await saga.wait(Arrived, timeout=60)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, service="test")
    await database.start()
    yield database
    await database.stop()


async def test_a_timer_that_fires_gives_way_to_an_event_that_has_come(database: Database) -> None:
    started = await begin(database, waiting, Return("a"))
    journal = await load(database, started.id)
    assert journal is not None
    await give(database, waiting, Arrived("a"))  # after the timer has looked, before it writes
    with pytest.raises(Overtaken):
        async with database.work() as work:
            place = Place("wait for parcel.arrived", (1,), "wait")
            await journal.failed(work, place, "{}", unknown=False, undisturbed=True)


async def test_a_saga_does_not_fall_asleep_over_an_event_that_has_come(database: Database) -> None:
    started = await begin(database, waiting, Return("a"))
    journal = await load(database, started.id)
    assert journal is not None
    await give(database, waiting, Arrived("a"))
    with pytest.raises(Overtaken):
        async with database.work() as work:
            await journal.suspend(work, None)
