"""The one function type that everything is made of: `Handler`, and the `Layer` that wraps it.

A server operation, a client call and a consumed event are all handlers (Finagle's "your server as a function").
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from atoll.contracts import DeadlineExceeded, Forbidden, Operation, Unauthenticated
from atoll.contracts.operations import Access

T = TypeVar("T")
EMPTY: Mapping[str, str] = {}
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Verified before any handler sees it.

    subject: the user's or machine's id; empty when only a peer service speaks for itself.
    peer: the declared service (or "gateway") that made this very call; empty for a direct caller with a token.
    """

    subject: str = ""
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    peer: str = ""

    def require(self, access: Access) -> None:
        """Unauthenticated or Forbidden unless this caller may do what asks for ``access``."""
        if self.peer and self.peer in access.trusted:
            return
        if access.peers:
            if self.peer not in access.peers:
                raise Forbidden(f"only {', '.join(access.peers)} may call this")
        elif not self.subject:
            raise Unauthenticated("this needs a caller; send a bearer token")
        missing = [scope for scope in access.scopes if scope not in self.scopes]
        if missing:
            raise Forbidden(f"the token lacks the scope {' '.join(missing)}")
        if access.roles and not self.roles.intersection(access.roles):
            raise Forbidden(f"this needs one of the roles {', '.join(access.roles)}")


class Request:
    """One request to a handler.

    name: ``orders.place`` or the subject of an event. message: the decoded request message or event.
    headers: lower-case names; first value. deadline: ``time.monotonic()`` second after which nobody waits any more.
    received: ``time.monotonic()`` second at which it had come; 0 where nobody noted it.
    scope: what layers provide to the handler for this request alone, by type (a unit of work, say).
    """

    __slots__ = ("caller", "deadline", "headers", "message", "name", "operation", "received", "reply_headers", "scope")

    def __init__(
        self,
        name: str,
        message: Any,
        *,
        operation: Operation[Any, Any] | None = None,
        headers: Mapping[str, str] = EMPTY,
        caller: Caller | None = None,
        deadline: float = FOREVER,
    ) -> None:
        self.name = name
        self.message = message
        self.operation = operation
        self.headers = headers
        self.caller = caller
        self.deadline = deadline
        self.received = 0.0
        self.scope: dict[Any, Any] = {}
        self.reply_headers: dict[str, str] = {}

    def twin(self) -> Request:
        """The same request for another attempt at the same time: what layers put into one's scope stays out of the other's."""
        twin = Request(
            self.name,
            self.message,
            operation=self.operation,
            headers=self.headers,
            caller=self.caller,
            deadline=self.deadline,
        )
        twin.scope = dict(self.scope)
        return twin

    def remaining(self) -> float:
        """Seconds until the deadline; DeadlineExceeded if none are left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"{self.name}: the caller's time is used up")
        return left


Handler = Callable[[Request], Awaitable[Any]]
Layer = Callable[[Handler], Handler]
