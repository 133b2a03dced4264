from __future__ import annotations

import asyncio
import time

import pytest

from atoll.data import Connection, Database, Leases, leases


@pytest.fixture
def both(database_url: str) -> tuple[Leases, Leases]:
    return Leases(Database(database_url, service="one")), Leases(Database(database_url, service="two"))


async def test_one_holder_at_a_time_and_the_next_at_once(both: tuple[Leases, Leases]) -> None:
    order: list[str] = []

    async def second() -> None:
        async with both[1].exclusive("relay"):
            order.append("second")

    async with both[0].exclusive("relay"):
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.1)
        order.append("first")
    started = time.monotonic()
    await waiting
    assert order == ["first", "second"]
    assert time.monotonic() - started < 4  # instead of for ever, or of a connection's 5 s


async def test_names_do_not_meet(both: tuple[Leases, Leases]) -> None:
    async with both[0].exclusive("relay"), asyncio.timeout(5):
        async with both[1].exclusive("another"):
            pass


async def test_a_holder_that_dies_hands_over(both: tuple[Leases, Leases]) -> None:
    taken = asyncio.Event()

    async def second() -> Connection:
        async with both[1].exclusive("relay") as connection:
            taken.set()
            return connection

    async with both[0].exclusive("relay") as connection:
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.05)
        connection.terminate()  # what kill -9 does to it
        await asyncio.wait_for(taken.wait(), 2)
    await waiting


async def test_waiting_goes_on_beyond_one_statement(
    both: tuple[Leases, Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "WAIT", 0.05)
    async with both[0].exclusive("relay"):
        waiting = asyncio.create_task(_hold(both[1]))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 2)


async def test_who_waits_can_be_cancelled(both: tuple[Leases, Leases]) -> None:
    async with both[0].exclusive("relay"):
        waiting = asyncio.create_task(_hold(both[1]))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await asyncio.wait_for(_hold(both[1]), 2)


async def _hold(leases: Leases) -> None:
    async with leases.exclusive("relay"):
        pass
