"""kill -9 at every labelled point: what is in the ledgers afterwards is what would be there without."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest
from tests.sagas.crashing import POINTS, SAGAS
from tests.sagas.remote import TABLES, effects

ROOT = Path(__file__).parents[2]
TOTAL = 2 * SAGAS  # two runs are killed, each begins as many


async def run_crashing(*arguments: str) -> int:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.sagas.crashing", *arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
    )
    try:
        return await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def sql(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def make_tables(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(TABLES)
        await connection.execute("CREATE TABLE ledger (seq bigserial, key text, what text)")
        await connection.execute("CREATE TABLE given (number int PRIMARY KEY)")
    finally:
        await connection.close()


async def judge(url: str) -> None:
    rows = await sql(url, "SELECT key, array_agg(what ORDER BY seq) AS what FROM ledger GROUP BY key")
    good, bad = ["marked", "restocked", "checked"], ["marked", "restocked", "unstocked", "unmarked"]
    assert {row["key"]: row["what"] for row in rows} == {f"order{n}": bad if n % 2 else good for n in range(TOTAL)}
    expected = [f"refund order{n} 5" for n in range(TOTAL)] + [f"charge order{n} 5" for n in range(1, TOTAL, 2)]
    assert sorted(await effects(url)) == sorted(expected)
    states = await sql(url, "SELECT status, count(*) AS number FROM atoll.sagas GROUP BY status")
    assert {row["status"]: row["number"] for row in states} == {"completed": TOTAL // 2, "compensated": TOTAL // 2}


@pytest.mark.parametrize("label", POINTS)
async def test_kill_9_at_every_labelled_point(label: str, database_url: str) -> None:
    await make_tables(database_url)
    for after in (1, 2):
        assert await run_crashing(database_url, label, str(after), str(SAGAS * after)) == -signal.SIGKILL
    assert await run_crashing(database_url, "nowhere", "0", str(TOTAL)) == 0
    await judge(database_url)
