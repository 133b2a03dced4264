from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from atoll.contracts import Event
from atoll.data import Database


class Happened(Event, subject="thing.happened", key="thing"):
    thing: str
    text: str = ""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, service="test", max_size=5)
    await database.start()
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE things (id int PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    yield database
    await database.stop()


async def outbox(database: Database) -> list[tuple[str, str]]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT key, data FROM atoll.outbox ORDER BY fence, position")
    return [(row["key"], row["data"]) for row in rows]
