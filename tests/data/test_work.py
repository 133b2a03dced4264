from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.data.conftest import Happened, outbox

from atoll.contracts import Conflict, Event
from atoll.data import Database, DatabaseUnavailable, UniqueViolation, Work, transactional
from atoll.service import Request, current_request


class Undeclared(Event, subject="never.declared"):
    thing: str


async def things(database: Database) -> list[int]:
    async with database.connection() as connection:
        return [row["id"] for row in await connection.fetch("SELECT id FROM things ORDER BY id")]


async def test_a_caught_error_of_a_statement_does_not_pass_for_a_commit(database: Database) -> None:
    done: list[bool] = []
    with pytest.raises(RuntimeError, match="nothing is saved"):
        async with database.work() as work:
            work.on_commit(lambda: done.append(True))
            await work.execute("INSERT INTO things VALUES (1)")
            with pytest.raises(UniqueViolation):
                await work.execute("INSERT INTO things VALUES (1)")
    assert await things(database) == []
    assert done == []


async def test_state_and_events_commit_together(database: Database) -> None:
    async with database.work() as work:
        assert await work.execute("INSERT INTO things VALUES ($1)", 1) == "INSERT 0 1"
        await work.executemany("INSERT INTO things VALUES ($1)", [(2,), (3,)])
        assert await work.fetchval("SELECT count(*) FROM things") == 3
        row = await work.fetchrow("SELECT id FROM things WHERE id = $1", 2)
        assert row is not None
        assert row["id"] == 2
        assert [one["id"] for one in await work.fetch("SELECT id FROM things ORDER BY id")] == [1, 2, 3]
        await work.publish(Happened("a"))
        await work.publish(Happened("b", "text with a NUL \x00 and an emoji \N{PARROT}"))
    assert await things(database) == [1, 2, 3]
    (first, second) = await outbox(database)
    assert first == ("a", '{"thing":"a","text":""}')
    assert msgspec.json.decode(second[1], type=Happened).text.endswith("\N{PARROT}")


async def test_an_exception_rolls_back_state_and_events(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.work() as work:
            await work.execute("INSERT INTO things VALUES (1)")
            await work.publish(Happened("a"))
            raise ZeroDivisionError
    assert await things(database) == []
    assert await outbox(database) == []


async def test_a_cancelled_work_rolls_back_and_gives_its_connection_back(database: Database) -> None:
    async def hang() -> None:
        async with database.work() as work:
            await work.execute("INSERT INTO things VALUES (1)")
            await work.execute("SELECT pg_sleep(60)")

    for _ in range(12):  # more than there are connections
        task = asyncio.create_task(hang())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await things(database) == []


async def test_a_work_that_does_nothing_needs_no_database() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/nowhere", service="test")
    await database.start()
    async with database.work():
        pass
    await database.stop()


async def test_publishing_alone_commits(database: Database) -> None:
    async with database.work() as work:
        await work.publish(Happened("a"))
    assert [key for key, _ in await outbox(database)] == ["a"]


async def test_callbacks_run_after_the_commit_only(database: Database) -> None:
    called: list[str] = []
    async with database.work() as work:
        work.on_commit(lambda: called.append("committed"))
        work.on_commit(lambda: 1 // 0)  # type: ignore[arg-type]
        work.on_commit(lambda: called.append("too"))
        assert called == []
    assert called == ["committed", "too"]
    with pytest.raises(ValueError, match="no"):
        async with database.work() as work:
            work.on_commit(lambda: called.append("never"))
            raise ValueError("no")
    assert called == ["committed", "too"]


async def test_the_outbox_wakes_who_listens_after_the_commit(database: Database) -> None:
    woken: list[int] = []
    database.on_outbox(lambda: woken.append(1))
    async with database.work() as work:
        await work.publish(Happened("a"))
        assert woken == []
    assert woken == [1]
    async with database.work() as work:
        await work.execute("INSERT INTO things VALUES (1)")
    assert woken == [1]


async def test_nested_work_is_refused(database: Database) -> None:
    async with database.work():
        with pytest.raises(RuntimeError, match="a unit of work is open already in this task"):
            async with database.work():
                pass


async def test_another_task_may_have_its_own(database: Database) -> None:
    async def other() -> None:
        async with database.work() as work:
            await work.execute("INSERT INTO things VALUES (2)")

    async with database.work() as work:
        await work.execute("INSERT INTO things VALUES (1)")
        await asyncio.create_task(other())
    assert await things(database) == [1, 2]


async def test_a_finished_work_refuses(database: Database) -> None:
    async with database.work() as work:
        pass
    with pytest.raises(RuntimeError, match="finished"):
        await work.execute("SELECT 1")
    with pytest.raises(RuntimeError, match="finished"):
        await work.publish(Happened("a"))


async def test_a_unique_violation_stays_itself(database: Database) -> None:
    with pytest.raises(UniqueViolation) as caught:
        async with database.work() as work:
            await work.execute("INSERT INTO things VALUES (1)")
            await work.execute("INSERT INTO things VALUES (1)")
    assert caught.value.constraint_name == "things_pkey"


async def test_a_serialization_failure_is_a_conflict(database: Database) -> None:
    async with database.work() as work:
        await work.execute("INSERT INTO things VALUES (1)")

    async def bump() -> None:
        async with database.work() as other:
            await other.execute("UPDATE things SET n = n + 1")

    with pytest.raises(Conflict):
        async with database.work() as work:
            await work.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await work.fetchval("SELECT n FROM things")
            await asyncio.create_task(bump())
            await work.execute("UPDATE things SET n = n + 1")


async def test_a_deadlock_is_a_conflict_for_one(database: Database) -> None:
    async with database.work() as work:
        await work.execute("INSERT INTO things VALUES (1), (2)")
    barrier = asyncio.Barrier(2)

    async def both(first: int, second: int) -> None:
        async with database.work() as work:
            await work.execute("UPDATE things SET n = n + 1 WHERE id = $1", first)
            await barrier.wait()
            await work.execute("UPDATE things SET n = n + 1 WHERE id = $1", second)

    found = await asyncio.gather(both(1, 2), both(2, 1), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Conflict", "NoneType"]


async def test_a_lost_connection_is_unavailable(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with database.work() as work:
            await work.execute("INSERT INTO things VALUES (1)")
            pid = await work.fetchval("SELECT pg_backend_pid()")
            async with database.connection() as connection:
                await connection.execute("SELECT pg_terminate_backend($1)", pid)
            await work.execute("SELECT 1")
    assert await things(database) == []


async def test_an_event_that_is_not_declared_is_refused(database_url: str) -> None:
    database = Database(database_url, service="test", publishes=[Happened])
    await database.start()
    with pytest.raises(TypeError, match=r"Undeclared is not declared; add it to publishes="):
        async with database.work() as work:
            await work.publish(Undeclared("a"))
    await database.stop()


async def test_an_event_that_is_too_large_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="an event may have 524288"):
        async with database.work() as work:
            await work.publish(Happened("a", "x" * 600_000))
    with pytest.raises(ValueError, match="publish a reference to what is large"):
        async with database.work() as work:
            await work.publish(Happened("a", "x" * 500_000), headers={"note": "x" * 100_000})
    async with database.work() as work:
        await work.publish(Happened("a", "x" * 500_000))


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("headers", "carried"),
    [
        ({"traceparent": TRACE, "cookie": "secret"}, f'{{"traceparent":"{TRACE}"}}'),
        ({"traceparent": TRACE, "tracestate": "a=1"}, f'{{"traceparent":"{TRACE}","tracestate":"a=1"}}'),
        ({"traceparent": TRACE, "tracestate": "a=\x01"}, f'{{"traceparent":"{TRACE}"}}'),
        ({"traceparent": TRACE, "tracestate": "a" * 513}, f'{{"traceparent":"{TRACE}"}}'),
        ({"traceparent": "00-1-2-01", "tracestate": "a=1"}, None),
        ({"traceparent": TRACE + "\n"}, None),
    ],
)
async def test_an_event_carries_the_trace_of_the_request(
    database: Database, headers: dict[str, str], carried: str | None
) -> None:
    token = current_request.set(Request("any", None, headers=headers))
    try:
        async with database.work() as work:
            await work.publish(Happened("a"))
    finally:
        current_request.reset(token)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT headers FROM atoll.outbox") == carried


async def test_transactional_opens_a_work_for_each_request(database: Database) -> None:
    async def handler(request: Request) -> str:
        await request.scope[Work].execute("INSERT INTO things VALUES ($1)", request.message)
        if request.message == 2:
            raise Conflict("no")
        return "done"

    handle = transactional(database)(handler)
    assert await handle(Request("any", 1)) == "done"
    with pytest.raises(Conflict):
        await handle(Request("any", 2))
    assert await things(database) == [1]


async def test_one_statement_at_a_time(database: Database) -> None:
    """The one that came first is left over when the unit ends, and gives its connection back."""
    first: asyncio.Task[str] | None = None
    with pytest.raises(RuntimeError, match="one statement at a time"):
        async with database.work() as work:
            first = asyncio.create_task(work.execute("SELECT 1"))
            await asyncio.sleep(0)
            await work.execute("SELECT 2")
    assert first is not None
    with pytest.raises(RuntimeError, match="finished"):
        await first
