"""`BuiltinRegistry`: the client of the registry that `atoll up` serves over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from atoll.discovery.registry import Endpoint


class Answer(Protocol):
    """What an HTTP client answers."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> bytes: ...


class Http(Protocol):
    """The part of an HTTP client that the registry needs; transport's `HttpClient` is one."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float | None = None
    ) -> Answer: ...


class BuiltinRegistry:
    """Long polls the registry at ``url`` and keeps what it last knew while the registry is away."""

    def __init__(self, url: str, *, token: str, http: Http) -> None:
        raise NotImplementedError

    def watch(self, service: str) -> AsyncIterator[tuple[Endpoint, ...]]:
        """The endpoints now, then again after each change."""
        raise NotImplementedError

    async def register(self, service: str, endpoint: Endpoint) -> None:
        """Adds the endpoint, and keeps trying in the background while the registry is away."""
        raise NotImplementedError

    async def deregister(self, service: str, instance: str) -> None:
        """Takes the instance out; a registry that is away is no error."""
        raise NotImplementedError

    async def close(self) -> None:
        """Ends what runs in the background."""
        raise NotImplementedError
