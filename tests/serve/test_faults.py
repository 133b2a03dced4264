"""What a service knows of ordered faults: learned by a long poll, kept while the platform is away, ended by its own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

import msgspec

from atoll.resilience import Faults
from atoll.serve.faults import FaultWatch
from atoll.transport.http import HttpReply
from atoll.transport.http.client.port import DEFAULT_TIMEOUT, HttpStream


class Platform:
    """Answers each poll with what the test puts, and is gone when there is nothing more."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.gone = asyncio.Event()

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float = DEFAULT_TIMEOUT
    ) -> HttpReply:
        self.asked.append(url)
        if not self.answers:
            self.gone.set()
            raise ConnectionError("the supervisor was killed")
        return HttpReply(200, {}, msgspec.json.encode(self.answers.pop(0)))

    def stream(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float = DEFAULT_TIMEOUT
    ) -> AbstractAsyncContextManager[HttpStream]:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to close."""


def ordered(left: float) -> dict[str, object]:
    return {"target": "payments", "delay": 2.0, "error": 0.3, "status": 503, "left": left}


async def test_a_fault_outlives_the_platform_and_still_ends_in_time() -> None:
    platform = Platform({"version": 7, "faults": [ordered(0.2)]})
    faults = Faults()
    watch = FaultWatch("http://x/", token="t", caller="orders", http=platform, faults=faults)
    await watch.start()
    try:
        await platform.gone.wait()
        assert platform.asked == ["http://x/v1/faults/orders", "http://x/v1/faults/orders?after=7&wait=30"]
        fault = faults.of("payments")
        assert fault is not None
        assert (fault.delay, fault.error) == (2.0, 0.3)
        async with asyncio.timeout(2):
            while faults.of("payments") is not None:
                await asyncio.sleep(0.01)
    finally:
        await watch.stop()


async def test_what_was_ordered_ends_with_the_watch() -> None:
    platform = Platform({"version": 1, "faults": [ordered(60)]})
    faults = Faults()
    watch = FaultWatch("http://x", token="t", caller="orders", http=platform, faults=faults)
    await watch.start()
    await platform.gone.wait()
    assert faults.of("payments") is not None
    await watch.stop()
    assert faults.of("payments") is None
