"""What both services have: the database and the outbox's relay."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import eventlet
from nameko.extensions import DependencyProvider
from psycogreen.eventlet import patch_psycopg
from sqlalchemy import Engine, create_engine, text

patch_psycopg()

OUTBOX = """CREATE TABLE IF NOT EXISTS outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text NOT NULL, payload json NOT NULL)"""
OLDEST = text("SELECT id, subject, payload FROM outbox ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED")
PUBLISHED = text("DELETE FROM outbox WHERE id = ANY(:ids)")
PUBLISHERS = eventlet.GreenPool(16)


class Database(DependencyProvider):
    """The service's engine, with its tables made."""

    def __init__(self, schema: str) -> None:
        self.schema = schema

    def setup(self) -> None:
        url = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:")
        self.engine = create_engine(url, pool_size=20, max_overflow=0)
        with self.engine.begin() as connection:
            connection.execute(text(self.schema))
            connection.execute(text(OUTBOX))

    def stop(self) -> None:
        self.engine.dispose()

    def get_dependency(self, worker_ctx: Any) -> Engine:  # noqa: ARG002 - Nameko gives it
        return self.engine


def relay(database: Engine, dispatch: Callable[[str, Any], None]) -> None:
    """Publishes the outbox until it is empty; each message is confirmed before its row goes."""
    while True:
        with database.begin() as connection:
            rows = connection.execute(OLDEST).all()
            if not rows:
                return
            for _ in PUBLISHERS.starmap(dispatch, [(row.subject, row.payload) for row in rows]):
                pass
            connection.execute(PUBLISHED, {"ids": [row.id for row in rows]})


def event(value: dict[str, Any]) -> str:
    """As it is stored in the outbox."""
    return json.dumps(value)
