"""On a database that is as new as can be, many aggregates are looked up by their streams."""

from __future__ import annotations

from atoll.data import Database, aggregates


async def test_loading_many_finds_their_events_by_stream(database: Database) -> None:
    """PostgreSQL makes a plan for all arguments after five for some; it stays until the table is analyzed."""
    async with database.connection() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE load_all (text[]) AS {aggregates._ALL}")
        plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN EXECUTE load_all ('{}')"))
        await connection.execute("DEALLOCATE load_all; RESET plan_cache_mode")
    assert "events_pkey" in plan
    assert "Seq Scan" not in plan
