"""The layer that opens units of work: one that met a stream conflict is tried again, where that may be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.data.ledgers import Moved, Opened

from atoll.data import Database, EventStore, StreamConflict, Work, transactional
from atoll.service import Request

events = EventStore([Opened, Moved])


async def count(work: Work) -> int:
    found: int = await work.fetchval("SELECT count(*) FROM atoll.events WHERE stream = 'a'")
    return found


async def move(request: Request) -> Any:
    work: Work = request.scope[Work]
    at = await count(work)
    await events.append(work, "a", [Opened("a", "Ada") if at == 0 else Moved("a", 1)], expected=at)
    return at + 1


async def test_those_who_change_one_stream_together_all_come_through(database: Database) -> None:
    handle = transactional(database, tries=5)(move)
    found = await asyncio.gather(*(handle(Request("move", None)) for _ in range(5)))
    assert sorted(found) == [1, 2, 3, 4, 5]
    async with database.work() as work:
        assert await count(work) == 5


async def test_without_tries_the_conflict_is_the_callers(database: Database) -> None:
    runs = 0

    async def conflicting(request: Request) -> Any:
        nonlocal runs
        runs += 1
        raise StreamConflict("a", 0)

    with pytest.raises(StreamConflict):
        await transactional(database)(conflicting)(Request("move", None))
    assert runs == 1
    with pytest.raises(StreamConflict):
        await transactional(database, tries=3)(conflicting)(Request("move", None))
    assert runs == 4
