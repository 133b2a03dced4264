"""`HttpClient` on pyreqwest."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from atoll.transport.http.client.port import HttpReply, HttpStream


class PyreqwestClient:
    """One pool of connections for a whole process."""

    def __init__(self, *, reply_limit: int = 16 * 1024 * 1024) -> None:
        raise NotImplementedError

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float | None = None
    ) -> HttpReply:
        """The whole reply, whatever its status."""
        raise NotImplementedError

    def stream(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float | None = None
    ) -> AbstractAsyncContextManager[HttpStream]:
        """The reply as it comes."""
        raise NotImplementedError

    async def close(self) -> None:
        """Closes all connections."""
        raise NotImplementedError
