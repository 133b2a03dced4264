"""A real PostgreSQL with this service's tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from atoll.data import Database, migrate
from atoll.testing import PostgresServer
from shop_payments import service


@pytest.fixture(scope="session")
def database_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def database_url(database_server: PostgresServer) -> str:
    url = database_server.create_database()
    asyncio.run(migrate(url, service))
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    found = Database(database_url, service=service.name, publishes=service.publishes)
    await found.start()
    yield found
    await found.stop()
