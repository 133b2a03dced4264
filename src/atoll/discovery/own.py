"""`OwnShare`: what the registry says that this very instance weighs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import UnsetType

from atoll.discovery.registry import Registry
from atoll.service.lifecycle import end


class OwnShare:
    """Watches one's own listing; a `Component`. told: called with the instance's part of events and sagas, if it is listed.

    While it is not listed (it starts or drains), or the registry is away, what was last told stays.
    """

    def __init__(self, service: str, instance: str, registry: Registry, told: Callable[[int], None]) -> None:
        self._service = service
        self._instance = instance
        self._registry = registry
        self._told = told
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to watch, without waiting for an answer."""
        self._task = asyncio.create_task(self._watch(), name="own share")

    async def stop(self) -> None:
        """Ends watching."""
        task, self._task = self._task, None
        await end(task)

    async def _watch(self) -> None:
        watching = self._registry.watch(self._service)
        try:
            async for endpoints in watching:
                for one in endpoints:
                    if one.instance == self._instance:
                        self._told(one.weight if isinstance(one.work, UnsetType) else one.work)
        finally:
            await watching.aclose()
