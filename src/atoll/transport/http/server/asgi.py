"""The shapes of ASGI 3, as far as they are used here, and the port that tells who calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

from atoll.service import Caller

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

RECEIVED = "atoll.received"
"""In a request's scope: the ``time.monotonic()`` second at which all of it had come, before it waited for the event loop."""
LEFT = "atoll.left"
"""In a request's scope: called when the client goes away before the reply is complete; absent if nobody cares."""


class Whole(Protocol):
    """Request and reply at once, where ASGI has an event for each of their parts. Both say so when that cannot be done."""

    def take(self) -> bytes | None:
        """The request's body, if all of it is there; None, and it is to be received."""

    def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """Sends the reply; False, and it is to be sent in parts. Names and values must be fit to be sent: nobody checks."""


Identify = Callable[[Mapping[str, str]], Awaitable[Caller | None]]
"""From a request's headers (lower-case names) to its verified caller; None without credentials, Unauthenticated for bad ones."""
