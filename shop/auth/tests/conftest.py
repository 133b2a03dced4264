"""One PostgreSQL for the run, and for each test a database with the service's tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from atoll.data import Database, migrate
from atoll.testing import PostgresServer
from shop_auth import service


@pytest.fixture(scope="session")
def auth_postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def auth_template(auth_postgres: PostgresServer) -> str:
    url = auth_postgres.create_database()
    asyncio.run(migrate(url, service))
    return url.rpartition("/")[2]


@pytest.fixture
def database_url(auth_postgres: PostgresServer, auth_template: str) -> Iterator[str]:
    url = auth_postgres.create_database(auth_template)
    yield url
    auth_postgres.drop_database(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, service="auth")
    await made.start()
    yield made
    await made.stop()
