"""`HttpChannel`: a typed client's calls over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any

from atoll.contracts import Api, Operation
from atoll.discovery.balance import Balancer
from atoll.service import Stack
from atoll.transport.http.client.port import HttpClient


class HttpChannel:
    """Implements `contracts.Channel` for one Api.

    balancer: who answers (start it; it is a Component). peer_header: ``name:secret`` shown to the callee.
    stack: the layers around each call; the default is `resilience.client_stack`.
    """

    def __init__(
        self,
        api: type[Api],
        *,
        balancer: Balancer,
        http: HttpClient,
        peer_header: str | None = None,
        stack: Stack | None = None,
    ) -> None:
        raise NotImplementedError

    def call(self, operation: Operation[Any, Any], message: Any) -> Awaitable[Any]:
        """The reply; a contract's Error otherwise."""
        raise NotImplementedError

    def stream(self, operation: Operation[Any, Any], message: Any) -> AsyncIterator[Any]:
        """The items of a `Stream[T]` reply."""
        raise NotImplementedError
