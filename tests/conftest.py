"""Servers that tests share: one PostgreSQL and one of each broker for the whole run, a database of its own for each test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from tests.brokers import KafkaServer, RabbitServer, install_or_skip
from tests.lent import VARIABLE, LentPostgres

from atoll.testing import NatsServer, PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Its own, unless who started this run lends one."""
    lent = os.environ.get(VARIABLE)
    with LentPostgres(lent) if lent else PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    install_or_skip("rabbitmq")
    with RabbitServer() as server:
        yield server


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    install_or_skip("kafka")
    with KafkaServer() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: PostgresServer) -> str:
    """A database with the framework's tables, to copy from."""
    from atoll.data import migrate
    from atoll.service import Service

    url = postgres.create_database()
    asyncio.run(migrate(url, Service("template")))
    return url.rpartition("/")[2]


@pytest.fixture
def database_url(postgres: PostgresServer, template: str) -> Iterator[str]:
    """A database of its own, with the framework's tables."""
    url = postgres.create_database(template)
    yield url
    postgres.drop_database(url)
