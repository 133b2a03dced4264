"""`HttpApp`: a service's operations as one ASGI callable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atoll.contracts import Operation
from atoll.service import Handler, Health
from atoll.transport.http.limits import HttpLimits
from atoll.transport.http.server.asgi import ASGIApp, Identify, Receive, Scope, Send


class HttpApp:
    """Serves operations, health pages, documents and mounted ASGI applications.

    routes: the handler of each operation, with its layers around it; it may return an async iterator for a `Stream`.
    identify: tells who calls. documents: JSON to serve by path, ``/openapi.json`` say. mounts: ASGI applications by prefix.
    """

    def __init__(
        self,
        name: str,
        routes: Mapping[Operation[Any, Any], Handler],
        *,
        identify: Identify,
        health: Health,
        mounts: Mapping[str, ASGIApp] | None = None,
        documents: Mapping[str, bytes] | None = None,
        limits: HttpLimits | None = None,
    ) -> None:
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        raise NotImplementedError

    @property
    def in_flight(self) -> int:
        """Requests that are being handled now."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Marks each further reply ``connection: close`` and returns when nothing is in flight; bound it with a timeout."""
        raise NotImplementedError
