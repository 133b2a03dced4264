"""What a dead letter tells of an error holds nothing of a row: PostgreSQL and its driver repeat values."""

from __future__ import annotations

import io
import logging

import asyncpg
import pytest

from atoll.data import Database
from atoll.messaging.incoming import failure_of
from atoll.telemetry.logging import JsonFormatter

SECRET = "4711-elderberry"


@pytest.mark.parametrize(
    ("statement", "values", "said"),
    [
        ("INSERT INTO ledger (key, n) VALUES ($1, 2)", (SECRET,), "duplicate key value violates unique constraint"),
        ("INSERT INTO ledger (key, n) VALUES ($1, NULL)", (SECRET,), "null value in column"),
        ("INSERT INTO ledger (key, n) VALUES ('x', $1)", (SECRET,), "invalid input for query argument $1"),
        ("INSERT INTO ledger (key, n) VALUES ('x', $1::text::int)", (SECRET,), "invalid input syntax for type integer"),
    ],
)
async def test_a_rows_values_are_not_told(
    database: Database, statement: str, values: tuple[str, ...], said: str
) -> None:
    async with database.work() as work:
        await work.execute("ALTER TABLE ledger ADD UNIQUE (key), ALTER n SET NOT NULL")
        await work.execute("INSERT INTO ledger (key, n) VALUES ($1, 1)", SECRET)
    with pytest.raises((asyncpg.PostgresError, asyncpg.DataError)) as raised:
        async with database.work() as work:
            await work.execute(statement, *values)
    failure = failure_of(raised.value, 3)
    record = logging.makeLogRecord(
        {"msg": f"failed: {raised.value}", "levelname": "ERROR", "exc_info": raised._excinfo}
    )
    lines = io.StringIO(JsonFormatter({}).format(record)).getvalue()
    for text in (failure.error, failure.stack, lines):
        assert SECRET not in text
        assert said in text
