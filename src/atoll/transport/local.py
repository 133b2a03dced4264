"""`LocalChannel`: calls within this process that behave like the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any

from atoll.contracts import Operation
from atoll.service import Caller, Handler


class LocalChannel:
    """Encodes and decodes each message, so that what works here works over HTTP."""

    def __init__(self, routes: Mapping[Operation[Any, Any], Handler], *, caller: Caller | None = None) -> None:
        raise NotImplementedError

    def call(self, operation: Operation[Any, Any], message: Any) -> Awaitable[Any]:
        """The reply; the callee's Error otherwise."""
        raise NotImplementedError

    def stream(self, operation: Operation[Any, Any], message: Any) -> AsyncIterator[Any]:
        """The items of a `Stream[T]` reply."""
        raise NotImplementedError
