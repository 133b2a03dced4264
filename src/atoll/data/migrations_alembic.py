"""The only file that knows Alembic and SQLAlchemy: runs revisions that are more than plain SQL."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from atoll.data import postgres


async def upgrade(url: str, folder: Path, target: str, schema: str) -> None:
    """Upgrades to the revision ``target``; the version table is ``<schema>.alembic_version``."""

    async def connect() -> Any:
        return await postgres.connect(url, "migration")

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, folder, target, schema)
            await connection.commit()
    finally:
        await engine.dispose()


def render(folder: Path, revision: str) -> str:
    """The SQL of one revision's upgrade, as Alembic writes it without a database."""
    script = ScriptDirectory(str(folder), version_locations=[str(folder)])
    text = StringIO()
    with EnvironmentContext(Config(), script, as_sql=True) as environment:
        environment.configure(dialect_name="postgresql", output_buffer=text, transactional_ddl=True)
        context = environment.get_context()
        with Operations.context(context):
            script.get_revision(revision).module.upgrade()
    return text.getvalue()


def _upgrade(connection: Connection, folder: Path, target: str, schema: str) -> None:
    script = ScriptDirectory(str(folder), version_locations=[str(folder)])

    def revisions(current: Any, _: Any) -> Any:
        return script._upgrade_revs(target, current)  # what alembic.command.upgrade calls; there is no public name

    with EnvironmentContext(Config(), script, fn=revisions, destination_rev=target) as environment:
        environment.configure(
            connection=connection, version_table_schema=schema, transaction_per_migration=True, target_metadata=None
        )
        with environment.begin_transaction():
            environment.run_migrations()
