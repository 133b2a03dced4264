"""The gateway learns of each change, whatever fails meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from atoll.platform.local import publishing
from atoll.platform.local.publishing import Listings, Publishing
from atoll.platform.local.registry import Listed, Registry


class Gateway:
    """Fails as often as it is told to, then takes what it gets."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.taken: list[list[str]] = []
        self.told = asyncio.Event()

    async def publish(self, listings: Listings) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append([listed.instance for listed in listings["orders"]])
        self.told.set()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "FIRST_PAUSE", 0.01)


def made(gateway: Gateway) -> tuple[Registry, Publishing, list[Exception]]:
    said: list[Exception] = []
    registry = Registry(["orders"], lambda: keeping.changed())
    keeping = Publishing(registry.all, gateway.publish, said.append)
    return registry, keeping, said


async def test_a_failed_publish_is_tried_again_and_said_once() -> None:
    gateway = Gateway(OSError("no space"), OSError("no space"), ConnectionError("away"), RuntimeError("refused"))
    registry, keeping, said = made(gateway)
    task = asyncio.create_task(keeping.always())
    registry.put("orders", Listed("http://127.0.0.1:1", "orders-1"))
    async with asyncio.timeout(5):
        await gateway.told.wait()
    assert gateway.taken == [["orders-1"]]
    assert [str(error) for error in said] == ["no space", "away", "refused"]
    gateway.told.clear()
    registry.remove("orders", "orders-1")
    async with asyncio.timeout(5):
        await gateway.told.wait()
    assert gateway.taken[-1] == []
    task.cancel()


async def test_a_failure_on_the_way_is_made_good_by_the_next_attempt() -> None:
    gateway = Gateway(RuntimeError("away"))
    registry, keeping, _ = made(gateway)
    registry.put("orders", Listed("http://127.0.0.1:1", "orders-1"))
    assert not await keeping.once()
    task = asyncio.create_task(keeping.always())
    async with asyncio.timeout(5):
        await gateway.told.wait()
    assert gateway.taken == [["orders-1"]]
    task.cancel()


async def test_settling_waits_for_a_gateway_that_comes_back_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(RuntimeError("away"), RuntimeError("away"))
    _, keeping, _ = made(gateway)
    await keeping.settle()
    assert len(gateway.taken) == 1
    monkeypatch.setattr(publishing, "PATIENCE", 0.0)
    gateway.failures = [RuntimeError("away")] * 1000
    await keeping.settle()
    assert len(gateway.failures) > 900
