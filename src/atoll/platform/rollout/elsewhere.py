"""What a new release does to others: services that cannot handle its events any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from atoll.platform.rollout.fleet import LOOK_WITHIN, Fleet
from atoll.platform.rollout.records import Finding, Plan
from atoll.platform.rollout.statistics import least_share
from atoll.system import Trouble

_LEAST = 3  # failed attempts


class Elsewhere:
    """Counts how often other services fail to handle events, before the new release had traffic and since.

    within: seconds that a look at all of them may take.
    """

    def __init__(self, fleet: Fleet, services: Sequence[str], within: float = LOOK_WITHIN) -> None:
        self._fleet = fleet
        self._services = tuple(services)
        self._within = within
        self._usual: dict[str, float] = {}
        self._before: dict[str, tuple[float, float]] = {}

    async def begin(self) -> None:
        """A window begins. The first one tells what is usual."""
        for service, handled, failed in await self._looked():
            self._before[service] = (handled, failed)
            self._usual.setdefault(service, failed / (handled + failed) if handled + failed else 0.0)

    async def findings(self, plan: Plan) -> tuple[Finding, ...]:
        """One for each service that fails more often than usual, and than is bearable."""
        found = []
        for service, handled, failed in await self._looked():
            first_handled, first_failed = self._before.get(service, (handled, failed))
            failures = max(0.0, failed - first_failed)
            attempts = failures + max(0.0, handled - first_handled)
            usual = self._usual.get(service, 0.0)
            bound = max(plan.limits.max_errors, 2 * usual)
            if failures >= _LEAST and least_share(failures, attempts) > bound:
                text = f"{failures:.0f} of {attempts:.0f} attempts of {service} to handle an event failed"
                found.append(Finding("events elsewhere", "failed", text))
        return tuple(found)

    async def _looked(self) -> Iterable[tuple[str, float, float]]:
        """Of each service, what it handled and failed to handle so far. All at once: a slow one does not hold up the others."""
        found = await asyncio.gather(*(self._counts(service) for service in self._services))
        return [(service, *counts) for service, counts in zip(self._services, found, strict=True)]

    async def _counts(self, service: str) -> tuple[float, float]:
        try:
            readings = (await self._fleet.measure(service, self._within)).values()
        except Trouble:
            return self._before.get(service, (0.0, 0.0))  # nothing is known of it; its own health is not this rollout's
        return sum(one.handled for one in readings), sum(one.failed for one in readings)
