"""Dead letters: found by filters, understood, redriven once, dropped."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.operate.conftest import consume, die

from atoll.contracts import Conflict, NotFound
from atoll.data import Database
from atoll.messaging import DeadLetters, Letters
from atoll.messaging.incoming import Failure, Message
from atoll.messaging.parking import park
from atoll.operate import (
    DatabaseAway,
    Databases,
    drop,
    drop_all,
    figures,
    list_letters,
    redrive,
    redrive_all,
    show_letter,
)


async def nothing_parked(database: Database) -> bool:
    return (await DeadLetters(database).count()).parked == 0


async def test_filters_find_what_is_meant(database: Database, databases: Databases) -> None:
    await die(database, "1")
    await die(database, "2", "ConnectionError: the bank is away")
    for which, orders in (
        (Letters(), ["1", "2"]),
        (Letters(error="BANK"), ["2"]),
        (Letters(error="100%"), []),
        (Letters(key="1"), ["1"]),
        (Letters(subject="order.placed", consumer="payments"), ["1", "2"]),
        (Letters(subject="order.lost"), []),
        (Letters(consumer="others"), []),
        (Letters(since=datetime.now(UTC) - timedelta(hours=1)), ["1", "2"]),
        (Letters(since=datetime.now(UTC) + timedelta(hours=1)), []),
    ):
        found = await list_letters(databases, which)
        assert [one.letter.key for one in found] == orders, which
    assert [one.name for one in await list_letters(databases, Letters(), limit=1)] == ["payments/1"]


async def test_one_is_shown_with_what_waits_of_its_key(database: Database, databases: Databases) -> None:
    await die(database, "1")
    async with database.work() as work:
        later = Message("id-later", "1", "order.placed", 3, b"{}")
        await park(work, "payments", later, Failure(3, "ValueError: no", ""), 10.0)
    detail = await show_letter(databases, "payments", 1)
    assert detail.of.letter.stack == "Traceback:\nZeroDivisionError: division by zero"
    assert detail.of.letter.headers["message-source"] == "/shop/orders"
    assert detail.of.letter.headers["traceparent"].startswith("00-0af7")
    assert [(one.message_id, one.attempts) for one in detail.waiting] == [("id-later", 3)]


async def test_a_letter_is_redriven_and_handled_once_however_often_it_is_asked(
    database: Database, databases: Databases
) -> None:
    await die(database, "1")
    done = await asyncio.gather(*(redrive(databases, "payments", 1) for _ in range(4)), return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in done) == 1
    assert all("was redriven at" in str(one) for one in done if isinstance(one, Conflict))
    with pytest.raises(Conflict, match="waits for its attempts; nothing was changed"):
        await redrive(databases, "payments", 1)
    assert await consume(database, lambda: nothing_parked(database)) == ["1"]
    with pytest.raises(Conflict, match=r"and handled at .*; nothing is left to do"):
        await redrive(databases, "payments", 1)
    assert await consume(database, lambda: nothing_parked(database)) == []


async def test_one_that_came_again_after_its_death_and_was_handled_is_not_redriven(
    database: Database, databases: Databases
) -> None:
    await die(database, "1")
    async with database.connection() as connection:  # its inbox row was forgotten, and then it was published again
        await connection.execute("UPDATE atoll.inbox SET handled_at = now() + interval '1 second'")
    with pytest.raises(Conflict, match="came again after its death and was handled"):
        await redrive(databases, "payments", 1)
    assert await redrive_all(databases, Letters()) == {"payments": 0}
    assert await consume(database, lambda: nothing_parked(database)) == []
    await drop(databases, "payments", 1)


async def test_all_are_redriven_in_order_by_key(database: Database, databases: Databases) -> None:
    for order in ("1", "2", "3"):
        await die(database, order)
    assert await redrive_all(databases, Letters(key="2")) == {"payments": 1}
    assert await redrive_all(databases, Letters()) == {"payments": 2}
    assert sorted(await consume(database, lambda: nothing_parked(database))) == ["1", "2", "3"]


async def test_what_is_dropped_stays_dropped_and_says_so(database: Database, databases: Databases) -> None:
    await die(database, "1")
    await die(database, "2")
    await drop(databases, "payments", 1)
    with pytest.raises(Conflict, match=r"was dropped at .*; it is gone for good"):
        await redrive(databases, "payments", 1)
    assert await drop_all(databases, Letters()) == {"payments": 1}
    assert await list_letters(databases, Letters()) == []
    with pytest.raises(NotFound, match="no dead letter payments/7"):
        await show_letter(databases, "payments", 7)


async def test_one_that_died_again_names_its_new_number(database: Database, databases: Databases) -> None:
    await die(database, "1")
    await redrive(databases, "payments", 1)
    async with database.connection() as connection:
        await connection.execute("DELETE FROM atoll.parked")
    await die(database, "1")
    with pytest.raises(Conflict, match="died again: it is payments/2 now"):
        await redrive(databases, "payments", 1)


async def test_figures_count_and_are_unknown_where_a_database_is_away(database: Database, database_url: str) -> None:
    await die(database, "1")
    both = Databases({"payments": database_url, "gone": "postgresql://nobody@127.0.0.1:9/nothing"})
    found = await figures(both, within=5.0)
    assert getattr(found["payments"], "dead", None) == 1
    assert isinstance(found["gone"], DatabaseAway)
    assert str(found["gone"]).startswith("the database of gone does not serve")
    with pytest.raises(DatabaseAway):
        await list_letters(both, Letters())
    with pytest.raises(NotFound, match="'lost' is no service with a database; there are: payments, gone"):
        await list_letters(both, Letters(), service="lost")


async def test_a_database_without_our_tables_says_what_to_do(database: Database, database_url: str) -> None:
    async with database.connection() as connection:
        await connection.execute("DROP SCHEMA atoll CASCADE")
    with pytest.raises(DatabaseAway, match="has no tables of atoll's; bring it up to date with 'atoll migrate'"):
        await list_letters(Databases({"payments": database_url}), Letters())
