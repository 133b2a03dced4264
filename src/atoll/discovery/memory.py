"""`MemoryRegistry`: a registry within one process, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from atoll.discovery.registry import Endpoint


class MemoryRegistry:
    """Knows what was registered with this object."""

    def __init__(self) -> None:
        self._endpoints: dict[str, dict[str, Endpoint]] = {}
        self._changed = asyncio.Condition()

    async def watch(self, service: str) -> AsyncGenerator[tuple[Endpoint, ...], None]:
        """The endpoints now, then again after each change."""
        known: tuple[Endpoint, ...] | None = None
        while True:
            async with self._changed:
                while self._of(service) == known:
                    await self._changed.wait()
                known = self._of(service)
            yield known

    async def register(self, service: str, endpoint: Endpoint) -> None:
        """Adds the endpoint or replaces the one of the same instance."""
        async with self._changed:
            self._endpoints.setdefault(service, {})[endpoint.instance] = endpoint
            self._changed.notify_all()

    async def deregister(self, service: str, instance: str) -> None:
        """Takes the instance out."""
        async with self._changed:
            self._endpoints.get(service, {}).pop(instance, None)
            self._changed.notify_all()

    async def close(self) -> None:
        """Nothing to let go of."""

    def _of(self, service: str) -> tuple[Endpoint, ...]:
        return tuple(self._endpoints.get(service, {}).values())
