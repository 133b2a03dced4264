"""`StaticRegistry`: endpoints that the environment names (``ATOLL_ENDPOINTS_<SERVICE>``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from atoll.discovery.registry import Endpoint


class StaticRegistry:
    """Knows what it was made with; an unknown service has no endpoints. An instance is named by its URL."""

    def __init__(self, endpoints: Mapping[str, Sequence[str | Endpoint]]) -> None:
        self._endpoints = {service: tuple(_endpoint(one) for one in given) for service, given in endpoints.items()}

    async def watch(self, service: str) -> AsyncGenerator[tuple[Endpoint, ...], None]:
        """The endpoints, once; nothing changes afterwards."""
        yield self._endpoints.get(service, ())
        await asyncio.Event().wait()

    async def register(self, service: str, endpoint: Endpoint) -> None:
        """Nothing: whoever wrote the addresses down has registered them."""

    async def deregister(self, service: str, instance: str) -> None:
        """Nothing: see `register`."""

    async def close(self) -> None:
        """Nothing to let go of."""


def _endpoint(given: str | Endpoint) -> Endpoint:
    return given if isinstance(given, Endpoint) else Endpoint(url=given.rstrip("/"), instance=given.rstrip("/"))
