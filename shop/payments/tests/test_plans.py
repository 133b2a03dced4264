"""On a database that is as new as can be, a list looks its rows up by their keys."""

from __future__ import annotations

import asyncpg
import pytest

from atoll.data import migrate
from atoll.testing import PostgresServer
from shop_payments import book, service
from shop_payments.acquirer import postgres


@pytest.mark.parametrize(
    ("statement", "types", "index"),
    [
        (book._SAVE_ALL, "uuid[], bigint[], text[], text[], bigint[], text[]", "payments_pkey"),
        (postgres._SAVE, "text[], text[], bigint[], text[], text[], int[]", "acquirer_accounts_pkey"),
    ],
    ids=["payments", "accounts"],
)
async def test_lists_find_their_rows_by_key(
    database_server: PostgresServer, statement: str, types: str, index: str
) -> None:
    """PostgreSQL makes a plan for all arguments after five for some; it stays until the table is analyzed."""
    url = database_server.create_database()
    await migrate(url, service)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE save ({types}) AS {statement}")
        rows = await connection.fetch("EXPLAIN EXECUTE save ('{}', '{}', '{}', '{}', '{}', '{}')")
    finally:
        await connection.close()
    plan = "\n".join(row[0] for row in rows)
    assert f"Index Scan using {index}" in plan
    assert "Seq Scan" not in plan
