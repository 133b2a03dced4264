"""Streams: what is appended is there once, in order, for one of the writers; the global reader passes nobody over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.ledgers import Account, Closed, Moved, Opened, owner_from_name

from atoll.contracts import Conflict, Event, Invalid
from atoll.data import Database, EventStore, Outbox, Position, StreamConflict, UnreadableEvent
from atoll.data.outbox import FENCE

events = EventStore([Opened, Moved, Closed], upcasters=[owner_from_name])


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, service="test", publishes=[Moved], max_size=20)
    await database.start()
    yield database
    await database.stop()


async def move(database: Database, stream: str, amount: int, expected: int) -> Position:
    async with database.work() as work:
        return await events.append(work, stream, [Moved(stream, amount)], expected=expected)


async def amounts(database: Database, after: Position = Position.START) -> list[int]:
    async with database.work() as work:
        return [one.event.amount async for one in events.read_all(work, after=after)]


async def test_reads_back_what_was_appended(database: Database) -> None:
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    given = [Opened("a", "Ada"), Moved("a", 5), Moved("a", -2)]
    async with database.work() as work:
        last = await events.append(work, "account-a", given, expected=0, headers=headers)
        found = [one async for one in events.read(work, "account-a")]
        assert [one.event async for one in events.read(work, "account-a", after=2)] == given[2:]
        assert [one async for one in events.read(work, "account-b")] == []
    assert [one.event for one in found] == given
    assert [one.number for one in found] == [1, 2, 3]
    assert [one.position for one in found] == sorted(one.position for one in found)
    assert found[-1].position == last
    assert found[0].headers == headers
    assert len({one.id for one in found}) == 3
    assert found[0].recorded_at.tzinfo is not None


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_an_append_elsewhere_than_at_the_end_is_a_conflict(database: Database, expected: int) -> None:
    async with database.work() as work:
        await events.append(work, "s", [Moved("s", 1), Moved("s", 2)], expected=0)
    with pytest.raises(StreamConflict, match="try again") as caught:
        await move(database, "s", 3, expected)
    assert isinstance(caught.value, Conflict)
    assert caught.value.headers["retry-after"] == "0"
    assert await amounts(database) == [1, 2]


async def test_of_many_writers_at_once_one_wins(database: Database) -> None:
    for expected in range(5):
        tries = [move(database, "s", writer, expected) for writer in range(8)]
        found = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(one, Position) for one in found) == 1
        assert sum(isinstance(one, StreamConflict) for one in found) == 7
    assert len(await amounts(database)) == 5


async def test_who_waits_for_a_writer_that_gives_up_may_append(database: Database) -> None:
    held, let_go = asyncio.Event(), asyncio.Event()

    async def give_up() -> None:
        async with database.work() as work:
            await events.append(work, "s", [Moved("s", 1)], expected=0)
            held.set()
            await let_go.wait()
            raise ValueError

    first = asyncio.create_task(give_up())
    await held.wait()
    second = asyncio.create_task(move(database, "s", 2, 0))
    let_go.set()
    with pytest.raises(ValueError, match=r"^$"):
        await first
    await second
    assert await amounts(database) == [2]


async def test_events_that_the_service_publishes_are_in_the_outbox_at_the_same_place(database: Database) -> None:
    async with database.work() as work:
        await events.append(work, "s", [Opened("s", "Ada"), Moved("s", 1), Moved("s", 2)], expected=0)
        await events.append(work, "s", [Moved("s", 3)], expected=3)
        await work.publish(Moved("other", 4))
    async with database.connection() as connection:
        stored = await connection.fetch(
            "SELECT fence, position, id, data FROM atoll.events WHERE subject = 'account.moved'"
        )
        sent = await connection.fetch("SELECT fence, position, id, data FROM atoll.outbox ORDER BY fence, position")
        keys = await connection.fetch("SELECT key FROM atoll.outbox ORDER BY fence, position")
    assert sorted(map(tuple, stored)) == list(map(tuple, sent))[:3]
    assert [row["key"] for row in keys] == ["s", "s", "s", "other"]
    assert (await Outbox(database).status()).pending == 4


async def test_a_conflict_publishes_nothing(database: Database) -> None:
    await move(database, "s", 1, 0)
    with pytest.raises(StreamConflict):
        await move(database, "s", 2, 0)
    with pytest.raises(StreamConflict):
        async with database.work() as work:
            await events.append(work, "s", [Moved("s", 1), Moved("s", 2)], expected=0)
    assert (await Outbox(database).status()).pending == 1


async def test_the_global_reader_waits_for_a_transaction_that_commits_late(
    database: Database, database_url: str
) -> None:
    late = await asyncpg.connect(database_url)
    try:
        transaction = late.transaction()
        await transaction.start()
        await late.execute(
            "INSERT INTO atoll.events (stream, number, fence, id, subject, version, data) "
            f"VALUES ('late', 1, {FENCE}, gen_random_uuid(), "
            """'account.moved', 1, '{"account": "late", "amount": 1}')"""
        )
        seen: list[int] = []
        await move(database, "early", 2, 0)
        await move(database, "early", 3, 1)
        assert await amounts(database) == seen  # they came after the one that has not committed
        await transaction.commit()
        assert await amounts(database) == [1, 2, 3]
    finally:
        await late.close()


async def test_the_global_reader_waits_for_a_writer_with_the_newest_transaction_id(
    database: Database, database_url: str
) -> None:
    """No snapshot lists it; a writer that began earlier and commits first must not come to stand on its place."""
    older, newest, other = [await asyncpg.connect(database_url) for _ in range(3)]
    statement = (
        "INSERT INTO atoll.events (stream, number, fence, id, subject, version, data) "
        f"VALUES ($1, 1, {FENCE}, gen_random_uuid(), 'account.moved', 1, $2)"
    )
    try:
        await older.execute("BEGIN; SELECT pg_current_xact_id()")
        await other.execute("SELECT pg_current_xact_id()")
        await newest.execute("BEGIN; SELECT pg_current_xact_id()")
        await newest.execute(statement, "newest", '{"account": "s", "amount": 1}')
        await older.execute(statement, "older", '{"account": "s", "amount": 2}')
        await older.execute("COMMIT")
        after, seen = Position.START, []
        for _ in range(2):
            async with database.work() as work:
                async for one in events.read_all(work, after=after):
                    seen.append(one.event.amount)
                    after = one.position
            if newest.is_in_transaction():
                await newest.execute("COMMIT")
        assert sorted(seen) == [1, 2]
    finally:
        for connection in (older, newest, other):
            await connection.close()


async def test_what_is_not_committed_is_not_in_the_order_yet(database: Database) -> None:
    await move(database, "a", 1, 0)
    async with database.work() as work:
        await events.append(work, "b", [Moved("b", 2)], expected=0)
        assert [one.event.amount async for one in events.read(work, "b")] == [2]
        assert [one.event.amount async for one in events.read_all(work)] == [1]
    assert await amounts(database) == [1, 2]


async def test_a_reader_that_follows_along_sees_every_event_once_and_streams_in_order(database: Database) -> None:
    seen: list[tuple[str, int]] = []
    done = asyncio.Event()

    async def follow() -> None:
        after = Position.START
        while True:
            last_round = done.is_set()
            async with database.work() as work:
                async for one in events.read_all(work, after=after):
                    seen.append((one.stream, one.number))
                    after = one.position
            if last_round:
                return
            await asyncio.sleep(0.001)

    async def write(stream: str) -> None:
        for expected in range(40):
            async with database.work() as work:
                await events.append(work, stream, [Moved(stream, expected)], expected=expected)
                await asyncio.sleep(0.001 * (hash((stream, expected)) % 4))

    reader = asyncio.create_task(follow())
    await asyncio.gather(*(write(f"s{number}") for number in range(8)))
    done.set()
    await reader
    for number in range(8):
        assert [n for stream, n in seen if stream == f"s{number}"] == list(range(1, 41))
    assert len(seen) == 320


async def test_old_versions_are_read_as_new_ones(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO atoll.events (stream, number, fence, id, subject, version, data) VALUES ('s', 1, '3', "
            """gen_random_uuid(), 'account.opened', 1, '{"account": "s", "name": "Ada"}')"""
        )
    async with database.work() as work:
        assert [one.event async for one in events.read(work, "s")] == [Opened("s", "Ada")]


async def test_an_event_that_cannot_be_read_is_named(database: Database) -> None:
    class Renamed(Event, subject="account.renamed"):
        account: str

    async with database.work() as work:
        await EventStore([Renamed]).append(work, "s", [Renamed("s")], expected=0)
        with pytest.raises(UnreadableEvent, match=r"event 1 of stream s: account\.renamed is not known here"):
            _ = [one async for one in events.read(work, "s")]


async def test_wrong_inputs_are_told(database: Database) -> None:
    async with database.work() as work:
        with pytest.raises(ValueError, match="at least one"):
            await events.append(work, "s", [], expected=0)
        with pytest.raises(ValueError, match="name"):
            await events.append(work, "", [Moved("s", 1)], expected=0)
        with pytest.raises(ValueError, match="expected is -1"):
            await events.append(work, "s", [Moved("s", 1)], expected=-1)
        with pytest.raises(TypeError, match="does not know Moved"):
            await EventStore([Closed]).append(work, "s", [Moved("s", 1)], expected=0)


async def test_a_database_restored_into_another_cluster_keeps_its_order(database: Database) -> None:
    from atoll.data.event_order import mend

    for expected in range(3):
        await move(database, "old", expected, expected)
    async with database.connection() as connection:
        await connection.execute("UPDATE atoll.events SET fence = (fence::text::bigint + 1000000)::text::xid8")
        await connection.execute("INSERT INTO atoll.projections (name, fence, position) SELECT 'p', fence, position "
                                 "FROM atoll.events WHERE number = 2")  # fmt: skip
    await move(database, "new", 3, 0)
    async with database.connection() as connection:
        assert await mend(connection)
        assert not await mend(connection)
        row = await connection.fetchrow("SELECT fence, position FROM atoll.projections")
    await move(database, "new", 4, 1)
    assert await amounts(database) == [0, 1, 2, 3, 4]
    assert row is not None
    assert await amounts(database, Position(row["fence"], row["position"])) == [2, 3, 4]


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_a_position_survives_being_text(fence: int, number: int) -> None:
    assert Position.parse(str(Position(fence, number))) == Position(fence, number)


@pytest.mark.parametrize("text", ["", "1", "1-", "-1", "a-1", "1-2-3", "²-1", f"{2**63}-1"])
def test_text_that_is_no_position_is_invalid(text: str) -> None:
    with pytest.raises(Invalid, match="is no position"):
        Position.parse(text)


def test_an_account_belongs_to_a_stream() -> None:
    assert Account.stream_of("17") == "account-17"
