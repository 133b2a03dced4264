"""Other services are looked at, and hold nobody up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from atoll.platform.rollout import MemoryFleet, Reading
from atoll.platform.rollout.elsewhere import Elsewhere
from atoll.platform.rollout.fleet import LOOK_WITHIN


class TogetherFleet(MemoryFleet):
    """Answers nobody before all have asked."""

    together = asyncio.Barrier(3)

    async def measure(self, service: str, within: float = LOOK_WITHIN) -> Mapping[str, Reading]:
        async with asyncio.timeout(20):
            await self.together.wait()
        return await super().measure(service, within)


async def test_all_are_asked_at_once_within_the_time_of_a_look() -> None:
    fleet = TogetherFleet()
    for service in ("a", "b", "c"):
        fleet.add(service, "dev")
    await Elsewhere(fleet, ("a", "b", "c"), 0.6).begin()
    assert fleet.looked_within == [0.6] * 3
