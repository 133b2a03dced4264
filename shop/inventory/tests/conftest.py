"""A real PostgreSQL with this service's tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from atoll.data import Database, migrate
from atoll.testing import PostgresServer
from shop_inventory import service


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    with PostgresServer() as server:
        url = server.create_database()
        asyncio.run(migrate(url, service))
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    found = Database(database_url, service=service.name, publishes=service.publishes)
    await found.start()
    async with found.connection() as connection:
        await connection.execute("TRUNCATE stock, parcels, atoll.outbox")
    yield found
    await found.stop()
