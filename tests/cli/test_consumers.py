"""``atoll consumers`` on a database that the environment names."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atoll.data import Database
from atoll.messaging.consumers import note_seen, paused_subjects

Atoll = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def atoll(database_url: str, tmp_path: Path) -> Atoll:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "-m", "atoll", "consumers", *arguments), cwd=tmp_path, capture_output=True, text=True,
            check=False, timeout=60, env={"PATH": "", "ATOLL_DATABASE_URL": database_url, "ATOLL_SERVICE": "orders"},
        )  # fmt: skip

    return run


async def seen(url: str, *subjects: str) -> frozenset[str]:
    """Subjects that an instance has said it consumes; those that are paused."""
    database = Database(url, service="orders")
    await database.start()
    async with database.connection() as connection:
        await note_seen(connection, "orders", subjects)
        paused = await paused_subjects(connection, "orders")
    await database.stop()
    return paused


def test_a_consumer_is_listed_paused_and_resumed(atoll: Atoll, database_url: str) -> None:
    assert atoll("list").stdout == "nothing is consumed\n"
    asyncio.run(seen(database_url, "order.created", "payment.captured"))
    assert atoll("list").stdout == "orders  order.created  running\norders  payment.captured  running\n"
    said = atoll("pause", "orders", "order.created", "--why", "the disk is full").stdout
    assert said == "orders consumes no order.created until it is resumed; what runs is finished\n"
    assert asyncio.run(seen(database_url, "order.created")) == {"order.created"}  # a restart changes nothing
    created, captured = json.loads(atoll("list", "orders", "--json").stdout)
    assert (created["subject"], created["why"], captured["paused_at"]) == ("order.created", "the disk is full", None)
    assert created["paused_at"]
    assert atoll("resume", "orders").stdout == "orders consumes order.created, payment.captured\n"
    assert asyncio.run(seen(database_url)) == frozenset()


def test_what_is_not_consumed_is_one_line(atoll: Atoll, database_url: str) -> None:
    asyncio.run(seen(database_url, "order.created"))
    refused = atoll("pause", "orders", "order.lost")
    assert refused.returncode == 1
    assert refused.stderr.strip().endswith("orders: order.lost is not consumed here; it consumes order.created")
