"""Timeouts that race replies, twins that race each other, instances that come and go. Each test prints its seed."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from tests.sagas.conftest import Running, begin, give, note, noted, until

from atoll.contracts import Event, Message
from atoll.data import Database, Work
from atoll.sagas import Saga, Sagas, saga

RACES = int(os.environ.get("ATOLL_RACES", "500"))


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("ATOLL_TEST_SEED") or random.randrange(2**32))
    print(f"seed {seed}; repeat with ATOLL_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
async def second(database_url: str, database: Database) -> AsyncIterator[Database]:
    """The pool of another instance."""
    second = Database(database_url, service="test", source="second")
    await second.start()
    yield second
    await second.stop()


class Return(Message):
    order: str
    patience: float = 0.3


class Arrived(Event, subject="parcel.arrived"):
    order: str


async def mark(work: Work, order: str, what: str) -> None:
    await note(work, order, what)


@saga(key="order", awaits=[Arrived])
async def racing(start: Return, saga: Saga) -> None:
    await saga.step("mark", mark, start.order, "marked").undo(mark, start.order, "unmarked")
    await saga.wait(Arrived, timeout=start.patience)
    await saga.step("close", mark, start.order, "closed")


async def ends(database: Database, saga_id: UUID) -> datetime | None:
    """When its wait ends, once it has begun."""
    async with database.connection() as connection:
        found: datetime | None = await connection.fetchval(
            "SELECT coalesce(due, ended_at) FROM atoll.saga_steps WHERE saga = $1 AND kind = 'wait'", saga_id
        )
    return found


@pytest.mark.slow
async def test_a_timeout_races_the_event(
    database: Database, second: Database, run: Running, chance: random.Random
) -> None:
    """Whoever wins, the saga takes one way to its end, and the event is taken just if it won."""
    await run(racing)
    await run(racing, database=second)
    turns = asyncio.Semaphore(8)
    plans = [(f"order{n}", chance.uniform(0.05, 0.4), chance.uniform(-0.02, 0.04)) for n in range(RACES)]
    plans[:5] = [(order, 5.0, -5.0) for order, _, _ in plans[:5]]  # however slow the machine is, some events come first
    plans[5:10] = [(order, 0.05, 5.0) for order, _, _ in plans[5:10]]  # and some timeouts

    async def race(order: str, patience: float, lead: float) -> None:
        async with turns:
            started = await begin(database, racing, Return(order, patience))
        while (due := await ends(database, started.id)) is None:
            await asyncio.sleep(0.02)
        await asyncio.sleep((due - datetime.now(UTC)).total_seconds() + lead)
        async with turns:
            await give(database, racing, Arrived(order))

    for batch in range(0, RACES, 50):
        await asyncio.gather(*(race(*plan) for plan in plans[batch : batch + 50]))
    sagas = Sagas(database)
    while any(one.ended_at is None for one in await sagas.list(limit=RACES)):
        await asyncio.sleep(0.1)
    found = {one.key: one for one in await sagas.list(limit=RACES)}
    assert len(found) == RACES
    for order, one in found.items():
        state = [event.state for event in (await sagas.show(one.id)).events]
        if one.state == "completed":
            assert (await noted(database, order), state) == (["marked", "closed"], ["taken"])
        else:
            assert one.state == "compensated"
            assert (await noted(database, order), state) == (["marked", "unmarked"], ["late"])
    ways = Counter(one.state for one in found.values())
    print(dict(ways))
    assert set(ways) == {"completed", "compensated"}, "one of them always won"


async def test_one_saga_a_business_key_however_many_start_it(
    database: Database, second: Database, run: Running
) -> None:
    await run(racing)
    tries = [begin(pool, racing, Return("a", n + 0.1)) for n in range(4) for pool in (database, second)]
    started = await asyncio.gather(*tries)
    assert len({one.id for one in started}) == 1
    assert [one.new for one in started].count(True) == 1
    await until(database, started[0].id, "compensated")
    assert await noted(database, "a") == ["marked", "unmarked"]
    again = await begin(database, racing, Return("a"))
    assert (again.id, again.new) == (started[0].id, False)


async def test_a_start_that_rolls_back_starts_nothing(database: Database, run: Running) -> None:
    await run(racing)
    with pytest.raises(ZeroDivisionError):
        async with database.work() as work:
            await Sagas(database).start(work, racing, Return("a"))
            raise ZeroDivisionError
    assert await Sagas(database).list() == []


async def test_sagas_move_on_while_instances_come_and_go(
    database: Database, database_url: str, run: Running, chance: random.Random
) -> None:
    """An instance stops in the middle of everything, again and again; connections are cut."""
    keys = [f"order{n}" for n in range(60)]
    for key in keys:
        await begin(database, racing, Return(key, 0.5))
    for turn in range(6):
        pool = Database(database_url, service="test", source=f"instance-{turn}")
        await pool.start()
        runner = await run(racing, database=pool)
        for key in chance.sample(keys, 5):
            await give(database, racing, Arrived(key))
        await asyncio.sleep(chance.uniform(0.0, 0.15))
        if chance.random() < 0.5:
            async with database.connection() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'instance-%'"
                )
        await runner.stop()
        run.runners.remove(runner)
        await pool.stop()
    await run(racing)
    for one in await Sagas(database).list():
        await until(database, one.id, "completed", "compensated")
        assert await noted(database, one.key) in (["marked", "closed"], ["marked", "unmarked"])


async def test_another_instance_takes_over_at_once(database: Database, second: Database, run: Running) -> None:
    """Its connections are cut, as when it dies: the other goes on within seconds, although no lease has a time."""
    runner = await run(racing)
    started = await begin(database, racing, Return("a", 60))
    while await noted(database, "a") != ["marked"]:
        await asyncio.sleep(0.01)
    await run(racing, database=second)
    await runner.stop()
    run.runners.remove(runner)
    await give(second, racing, Arrived("a"))
    await until(database, started.id, "completed", within=4)
