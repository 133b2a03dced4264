"""PostgreSQL judges: what the gate refuses breaks the statements of the release that runs; what it lets pass does not."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from atoll.contracts.compatibility import Documents
from atoll.data.described import statements_in
from atoll.data.revisions import read_revisions
from atoll.platform.gate import Contract, Migration, Statement
from atoll.platform.gate.migrations import migration_refusals

PACKAGE = Path(__file__).parents[3] / "shop" / "orders" / "src" / "shop_orders"
FOLDER = PACKAGE / "migrations"
APPLIED = tuple(Migration(one.id, one.file, one.sql or "") for one in read_revisions(FOLDER).ordered())
RUNS = Contract(
    "orders 0.2.0",
    "0.2.0",
    Documents("orders"),
    APPLIED,
    tuple(Statement(one["place"], one["sql"]) for one in statements_in(PACKAGE, FOLDER)),
)
ORDER = """
    INSERT INTO orders (id, customer, status, total, currency, lines, created_at)
    VALUES (gen_random_uuid(), 'ada', 'pending', 100, 'EUR', '[]', now())
"""

REFUSED = [
    "ALTER TABLE orders DROP COLUMN reason",
    "ALTER TABLE orders DROP COLUMN changed_at",
    "ALTER TABLE orders RENAME COLUMN total TO amount",
    "ALTER TABLE orders RENAME TO placed",
    "DROP TABLE prices",
    "ALTER TABLE prices DROP COLUMN amount",
    "ALTER TABLE orders ALTER COLUMN customer TYPE int USING 1",
    "ALTER TABLE orders ADD COLUMN due date NOT NULL DEFAULT now(); ALTER TABLE orders ALTER COLUMN due DROP DEFAULT",
    "CREATE TABLE other (id uuid REFERENCES orders); ALTER TABLE orders DROP COLUMN reason",
    "CREATE TABLE IF NOT EXISTS orders (id uuid); ALTER TABLE orders DROP COLUMN reason",
    "ALTER TABLE ORDERS DROP COLUMN REASON",
    "CREATE SCHEMA away; ALTER TABLE orders SET SCHEMA away",
    "ALTER TABLE orders ADD CONSTRAINT small CHECK (total < 100) NOT VALID",
]
PASSED = [
    "ALTER TABLE orders ADD COLUMN due date",
    "ALTER TABLE orders ADD COLUMN tries int NOT NULL DEFAULT 0",
    "CREATE TABLE parcels (id uuid PRIMARY KEY, order_id uuid NOT NULL REFERENCES orders)",
    "-- atoll-looked-at: all code checks it\nALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID",
    "CREATE TABLE parcels (id uuid PRIMARY KEY); CREATE UNIQUE INDEX one ON parcels (id); ALTER TABLE parcels RENAME TO sent",
    "ALTER TABLE orders ADD COLUMN state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'old'))",
    "ALTER TABLE orders ADD COLUMN pieces int CHECK (pieces > 0)",
    "ALTER TABLE orders ADD CONSTRAINT other FOREIGN KEY (id) REFERENCES orders (id) NOT VALID",
]


def refused(sql: str) -> tuple[str, ...]:
    new = Contract("orders 0.3.0", "0.3.0", Documents("orders"), (*APPLIED, Migration("0003", "0003_more.py", sql)))
    return migration_refusals(RUNS, new)


async def broken(database_url: str, sql: str) -> list[str]:
    """What fails of the running release after the migration: its statements, and an order that it writes."""
    connection = await asyncpg.connect(database_url)
    try:
        for migration in APPLIED:
            await connection.execute(migration.sql)
        await connection.execute(ORDER)
        await connection.execute(sql)
        wrong = [str(error) for one in RUNS.statements if (error := await fails(connection, one.sql)) is not None]
        return wrong + ([] if (error := await fails(connection, ORDER, run=True)) is None else [str(error)])
    finally:
        await connection.close()


async def fails(connection: asyncpg.Connection[asyncpg.Record], sql: str, *, run: bool = False) -> Exception | None:
    try:
        if run:
            await connection.execute(sql)
        else:
            statement = await connection.prepare(sql)
            statement.get_parameters()
    except asyncpg.PostgresError as error:
        return error
    return None


def test_the_release_that_runs_has_statements() -> None:
    assert len(RUNS.statements) >= 6


@pytest.mark.parametrize("sql", REFUSED)
async def test_what_is_refused_breaks_the_release_that_runs(database_url: str, sql: str) -> None:
    assert any("would break orders 0.2.0, which runs: shop_orders/" in line for line in refused(sql)), refused(sql)
    assert await broken(database_url, sql)


@pytest.mark.parametrize("sql", PASSED)
async def test_what_passes_breaks_nothing(database_url: str, sql: str) -> None:
    assert refused(sql) == ()
    assert await broken(database_url, sql) == []


async def test_a_required_column_without_a_default_cannot_even_be_added_to_rows(database_url: str) -> None:
    sql = "ALTER TABLE orders ADD COLUMN due date NOT NULL"
    assert "would break orders 0.2.0" in refused(sql)[0]
    with pytest.raises(asyncpg.NotNullViolationError):
        await broken(database_url, sql)


async def test_an_index_that_is_not_built_concurrently_holds_up_writers(database_url: str) -> None:
    sql = "CREATE INDEX dear ON orders (total)"
    assert "locks the table against writes" in refused(sql)[0]
    connection, other = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    try:
        for migration in APPLIED:
            await connection.execute(migration.sql)
        async with connection.transaction():
            await connection.execute(sql)
            await other.execute("SET lock_timeout = '200ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await other.execute(ORDER)
    finally:
        await connection.close()
        await other.close()
