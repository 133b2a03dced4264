"""An ASGI application on a port: uvicorn's HTTP protocol (httptools), with the limits it lacks."""

from __future__ import annotations

from atoll.transport.http.limits import HttpLimits
from atoll.transport.http.server.app import HttpApp


class HttpServer:
    """A `Component`: `start` binds and serves, `stop` drains. It installs no signal handlers.

    port 0 takes a free one; ``port`` tells which.
    """

    def __init__(
        self, app: HttpApp, host: str = "127.0.0.1", port: int = 8000, limits: HttpLimits | None = None
    ) -> None:
        self.host = host
        self.port = port

    async def start(self) -> None:
        """Binds and accepts; OSError with one line if the address cannot be had."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stops accepting and waits for what is in flight; when it is cancelled (the grace time is over) it ends the rest."""
        raise NotImplementedError
