"""On a database that is as new as can be, a batch looks its orders up by their keys."""

from __future__ import annotations

import asyncpg

from atoll.data import migrate
from atoll.testing import PostgresServer
from shop_orders import order_list, service


async def test_changes_of_the_list_find_their_orders_by_key(database_server: PostgresServer) -> None:
    """PostgreSQL makes a plan for all arguments after five for some; it stays until the table is analyzed."""
    url = database_server.create_database()
    await migrate(url, service)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE change (uuid[], text[], text[]) AS {order_list._CHANGE}")
        plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN EXECUTE change ('{}', '{}', '{}')"))
    finally:
        await connection.close()
    assert "Index Scan using orders_pkey" in plan
    assert "Seq Scan" not in plan
