"""Aggregates: their state is their events', with or without snapshots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.ledgers import Account, Closed, Moved, Opened, state

from atoll.contracts import Conflict, NotFound
from atoll.data import Aggregate, Database, StreamConflict, UnreadableEvent, applies, load, save


class Plain(Account, stream="account"):
    """The same account, never read from a snapshot."""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, service="test")
    await database.start()
    yield database
    await database.stop()


async def opened(database: Database, account: str = "a", moves: int = 0) -> None:
    async with database.work() as work:
        made = Account.open(account, "Ada")
        for amount in range(moves):
            made.move(amount)
        await save(work, made)


async def loaded(database: Database, kind: type[Account] = Account, account: str = "a") -> Account:
    async with database.work() as work:
        return await load(work, kind, account)


async def test_saves_what_was_recorded_and_loads_it(database: Database) -> None:
    async with database.work() as work:
        account = Account.open("a", "Ada")
        account.move(5)
        assert account.recorded == (Opened("a", "Ada"), Moved("a", 5))
        assert await save(work, account) is not None
        assert account.version == 2
        account.move(6)
        await save(work, account)
        assert await save(work, account) is None
    found = await loaded(database)
    assert state(found) == state(account)
    assert (found.version, found.balance, found.owner) == (3, 11, "Ada")


async def test_one_that_has_no_events_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound, match="there is no account b"):
        await loaded(database, account="b")


async def test_of_two_that_change_it_at_once_one_wins(database: Database) -> None:
    await opened(database)

    async def change(amount: int) -> None:
        async with database.work() as work:
            account = await load(work, Account, "a")
            await both.wait()
            account.move(amount)
            await save(work, account)

    for round_number in range(5):
        both = asyncio.Barrier(2)
        found = await asyncio.gather(change(1), change(2), return_exceptions=True)
        assert sorted(type(one).__name__ for one in found) == ["NoneType", "StreamConflict"]
        assert (await loaded(database)).version == 2 + round_number


async def test_a_new_one_of_a_taken_id_is_a_conflict(database: Database) -> None:
    await opened(database)
    with pytest.raises(StreamConflict):
        await opened(database)


async def test_a_refused_decision_records_nothing(database: Database) -> None:
    await opened(database)
    async with database.work() as work:
        account = await load(work, Account, "a")
        account.close()
        await save(work, account)
    account = await loaded(database)
    with pytest.raises(Conflict, match="closed"):
        account.move(1)
    assert account.recorded == ()


STEPS = st.lists(st.lists(st.integers(-(10**6), 10**6), max_size=7), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, close=st.booleans())
async def test_snapshot_and_tail_are_the_full_replay(database: Database, steps: list[list[int]], close: bool) -> None:
    async with database.connection() as connection:
        await connection.execute("TRUNCATE atoll.events, atoll.snapshots")
    await opened(database)
    for moves in steps:
        async with database.work() as work:
            account = await load(work, Account, "a")
            for amount in moves:
                account.move(amount)
            await save(work, account)
    if close:
        async with database.work() as work:
            account = await load(work, Account, "a")
            account.close()
            await save(work, account)
    assert state(await loaded(database)) == state(await loaded(database, Plain))


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE atoll.snapshots SET state = '{'",
        'UPDATE atoll.snapshots SET state = \'{"balance": "much"}\'',
        "UPDATE atoll.snapshots SET shape = 'of another release', state = replace(state, 'Ada', 'Eve')",
        "UPDATE atoll.snapshots SET number = 99",
        "DELETE FROM atoll.snapshots",
    ],
)
async def test_a_broken_or_old_snapshot_is_passed_over(database: Database, harm: str) -> None:
    await opened(database, moves=12)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT number FROM atoll.snapshots") == 13
        await connection.execute(harm)
    assert state(await loaded(database)) == state(await loaded(database, Plain))
    async with database.work() as work:  # and the next save makes a good one
        account = await load(work, Account, "a")
        account.move(1)
        await save(work, account)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT number FROM atoll.snapshots WHERE shape <> 'of another release'") == 14


async def test_a_snapshot_is_what_a_load_begins_with(database: Database) -> None:
    await opened(database, moves=9)
    async with database.connection() as connection:
        await connection.execute("UPDATE atoll.snapshots SET state = replace(state, 'Ada', 'Eve')")
    assert (await loaded(database)).owner == "Eve"


async def test_a_long_stream_is_read_in_pages(database: Database) -> None:
    await opened(database, moves=12_000)
    async with database.connection() as connection:
        await connection.execute("DELETE FROM atoll.snapshots")
    assert (await loaded(database)).balance == sum(range(12_000))
    assert (await loaded(database, Plain)).version == 12_001


async def test_a_hole_in_a_stream_is_told(database: Database) -> None:
    await opened(database, moves=3)
    async with database.connection() as connection:
        await connection.execute("DELETE FROM atoll.events WHERE number = 2")
    with pytest.raises(UnreadableEvent, match="event 2 is missing"):
        await loaded(database)


async def test_an_event_that_nothing_applies_is_told(database: Database) -> None:
    class Deaf(Aggregate[str], stream="account"):
        @applies(Opened)
        def _opened(self, event: Opened) -> None: ...

    await opened(database, moves=1)
    async with database.work() as work:
        with pytest.raises(UnreadableEvent, match=r"account\.moved is not known here \(known: account\.opened\)"):
            await load(work, Deaf, "a")
    with pytest.raises(TypeError, match=r"Deaf does not apply Closed; write a method with @applies\(Closed\)"):
        Deaf("a").record(Closed("a"))


async def test_state_that_snapshots_would_lose_is_refused(database: Database) -> None:
    class Forgetful(Aggregate[str], stream="account", snapshot_every=1):
        @applies(Opened)
        def _opened(self, event: Opened) -> None:
            self.owner = event.owner

    made = Forgetful("a")
    made.record(Opened("a", "Ada"))
    with pytest.raises(TypeError, match=r"Forgetful\.owner is state that snapshots do not know"):
        async with database.work() as work:
            await save(work, made)


def test_state_that_all_would_share_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Sharing\.moves is a list"):

        class Sharing(Aggregate[str]):
            moves: list[int] = []


def test_two_methods_for_one_event_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Twice\._a and Twice\._b both apply Closed"):

        class Twice(Aggregate[str]):
            @applies(Closed)
            def _a(self, event: Closed) -> None: ...

            @applies(Closed)
            def _b(self, event: Closed) -> None: ...
