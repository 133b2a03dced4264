"""The thin port to an HTTP client library: send one request, or open one stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

DEFAULT_TIMEOUT = 30.0  # seconds


class HttpReply(NamedTuple):
    """A whole reply; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpStream(NamedTuple):
    """A reply whose body is read as it comes."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class HttpClient(Protocol):
    """Pools connections, follows no redirects, uses no proxies of the environment, closes the connection of a cancelled request.

    Failures: `NotSent` if the request surely did not leave, `Lost` if it may have, DeadlineExceeded after ``timeout`` seconds,
    Unreadable for a reply that is too large.
    """

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float = DEFAULT_TIMEOUT
    ) -> HttpReply:
        """The whole reply, whatever its status."""

    def stream(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float = DEFAULT_TIMEOUT
    ) -> AbstractAsyncContextManager[HttpStream]:
        """The reply as it comes; ``timeout`` bounds the wait for its first bytes."""

    async def close(self) -> None:
        """Closes all connections."""
