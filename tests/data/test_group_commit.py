"""Units of work that only add events share a commit, and nothing else: each is all or nothing by itself."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.data.conftest import Happened, outbox

from atoll.contracts import Event
from atoll.data import Aggregate, Database, StreamConflict, applies, load, load_all, save_on_commit
from atoll.data.group_commit import GroupCommit


class Opened(Event, subject="till.opened", key="till"):
    till: str


class Counted(Event, subject="till.counted", key="till"):
    till: str
    amount: int


class Till(Aggregate[str], stream="till"):
    total: int = 0

    @classmethod
    def open(cls, name: str) -> Till:
        till = cls(name)
        till.record(Opened(name))
        return till

    def count(self, amount: int) -> None:
        self.record(Counted(self.id, amount))

    @applies(Opened)
    def _opened(self, event: Opened) -> None:
        self.total = 0

    @applies(Counted)
    def _counted(self, event: Counted) -> None:
        self.total += event.amount


async def open_till(database: Database, name: str) -> None:
    async with database.work() as work:
        till = Till.open(name)
        till.count(7)
        await save_on_commit(work, till)
        await work.publish(Happened(name))


async def transactions(database: Database) -> int:
    async with database.connection() as connection:
        count: int = await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM atoll.events")
        return count


async def test_units_that_come_together_need_few_transactions_and_all_are_there(database: Database) -> None:
    names = [f"till{n}" for n in range(100)]
    await asyncio.gather(*(open_till(database, name) for name in names))
    assert await transactions(database) < 20
    assert sorted(key for key, _ in await outbox(database)) == sorted(names)
    async with database.work() as work:
        found = await load_all(work, Till, [*names, "nobody's"])
    assert {name: (till.version, till.total) for name, till in found.items()} == dict.fromkeys(names, (2, 7))


async def test_of_those_who_open_one_till_one_wins_and_each_other_unit_is_untouched(database: Database) -> None:
    """The seed makes the order of arrival; pytest shows it when this fails."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    names = [f"till{n}" for n in range(20)] + ["shared"] * 20
    random.Random(seed).shuffle(names)
    results = await asyncio.gather(*(open_till(database, name) for name in names), return_exceptions=True)
    won = [name for name, result in zip(names, results, strict=True) if result is None]
    assert sorted(won) == sorted(set(names))
    lost = [result for result in results if result is not None]
    assert {(type(one), getattr(one, "stream", ""), getattr(one, "expected", -1)) for one in lost} == {
        (StreamConflict, "till-shared", 0)
    }
    assert sorted(key for key, _ in await outbox(database)) == sorted(set(names))


async def test_a_conflict_with_what_was_loaded_names_the_stream_and_saves_nothing_of_the_unit(
    database: Database,
) -> None:
    await open_till(database, "a")
    with pytest.raises(StreamConflict, match="till-a is no longer at version 2"):
        async with database.work() as work:
            till = await load(work, Till, "a")
            till.count(1)
            await save_on_commit(work, till)
            await work.publish(Happened("never"))
            await asyncio.create_task(count_one(database, "a"))
    assert [key for key, _ in await outbox(database)] == ["a"]
    async with database.work() as work:
        assert (await load(work, Till, "a")).total == 8


async def count_one(database: Database, name: str) -> None:
    async with database.work() as work:
        till = await load(work, Till, name)
        till.count(1)
        await save_on_commit(work, till)


async def test_who_is_cancelled_before_its_lot_begins_takes_its_rows_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, go = asyncio.Event(), asyncio.Event()
    write = GroupCommit._write

    async def slowly(self: GroupCommit, rows: object) -> None:
        held.set()
        await go.wait()
        await write(self, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(GroupCommit, "_write", slowly)
    first = [asyncio.create_task(open_till(database, f"first{n}")) for n in range(2)]
    await held.wait()
    await asyncio.sleep(0)  # the second lot begins, too: it has nothing to take
    begun = len(database.group_commit._running)
    behind = [asyncio.create_task(open_till(database, f"behind{n}")) for n in range(4 * begun)]
    await asyncio.sleep(0)
    behind[-1].cancel()
    await asyncio.wait([behind[-1]])
    go.set()
    await asyncio.gather(*first, *behind[:-1])
    names = [f"first{n}" for n in range(2)] + [f"behind{n}" for n in range(4 * begun - 1)]
    assert sorted(key for key, _ in await outbox(database)) == sorted(names)


async def test_a_unit_that_has_read_commits_its_events_with_what_it_wrote(database: Database) -> None:
    async with database.work() as work:
        await work.execute("INSERT INTO things VALUES (1)")
        await save_on_commit(work, Till.open("a"))
    with pytest.raises(StreamConflict):
        async with database.work() as work:
            await work.execute("INSERT INTO things VALUES (2)")
            await save_on_commit(work, Till.open("a"))
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT array_agg(id) FROM things") == [1]


async def test_a_database_that_is_away_is_told_to_each(database_url: str) -> None:
    database = Database("postgresql://nobody:x@127.0.0.1:1/none", service="test")
    await database.start()
    try:
        async with asyncio.timeout(30):
            results = await asyncio.gather(*(open_till(database, f"t{n}") for n in range(3)), return_exceptions=True)
        assert {type(result).__name__ for result in results} == {"DatabaseUnavailable"}
    finally:
        await database.stop()
