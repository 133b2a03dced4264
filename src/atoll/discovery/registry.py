"""The port of discovery: `Registry`, and the `Endpoint` that it hands out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from msgspec import UNSET, Struct, UnsetType

DEFAULT_WEIGHT = 100


class Endpoint(Struct, frozen=True):
    """The address of one running instance.

    url: base URL without a trailing slash. weight: share of the traffic relative to the other endpoints; 0 takes none.
    work: share of events and sagas in the same way; where it is not set, the weight.
    """

    url: str
    instance: str = ""
    release: str = ""
    weight: int = DEFAULT_WEIGHT
    work: int | UnsetType = UNSET


class Registry(Protocol):
    """Knows the endpoints of services."""

    def watch(self, service: str) -> AsyncGenerator[tuple[Endpoint, ...], None]:
        """The endpoints now, then again after each change. It never ends and never raises: while the registry is away,
        what was last known stays."""

    async def register(self, service: str, endpoint: Endpoint) -> None:
        """Adds the endpoint or replaces the one of the same instance."""

    async def deregister(self, service: str, instance: str) -> None:
        """Takes the instance out; nothing happens if it is not there."""

    async def close(self) -> None:
        """Lets go of what it holds."""
