"""Which errors an operation may answer with: those that it declares, and those that follow from what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from atoll.contracts.errors import (
    TYPE_PREFIX,
    BadRequest,
    Conflict,
    DeadlineExceeded,
    Error,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from atoll.contracts.fields import is_nothing
from atoll.contracts.operations import Operation

RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait before the next try", "schema": {"type": "integer", "minimum": 0}}
}


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """One status with the errors that it may mean."""

    status: int
    errors: tuple[type[Error], ...]

    @property
    def description(self) -> str:
        """The errors' titles. (The standard library's phrases for a status differ between Python's versions.)"""
        return ", or ".join(dict.fromkeys(error.title for error in self.errors))

    @property
    def examples(self) -> dict[str, Any]:
        """A problem document for each error, by its code."""
        return {
            error.code: {
                "summary": (error.__doc__ or error.title).strip().splitlines()[0],
                "value": {"type": TYPE_PREFIX + error.code, "title": error.title, "status": error.status},
            }
            for error in self.errors
        }

    @property
    def headers(self) -> dict[str, Any]:
        """Headers that come with this status."""
        return RETRY_AFTER if self.status in {429, 503} else {}


def replies_of(operation: Operation[Any, Any], *, body: bool) -> list[ErrorReply]:
    """The error replies of an operation, by status. ``body``: whether it reads one."""
    by_status: dict[int, dict[str, type[Error]]] = {}
    for error in (*operation.errors.values(), *_standard(operation, body)):
        by_status.setdefault(error.status, {}).setdefault(error.code, error)
    return [ErrorReply(status, tuple(errors.values())) for status, errors in sorted(by_status.items())]


def _standard(operation: Operation[Any, Any], body: bool) -> Iterator[type[Error]]:
    access = operation.access
    if body:
        yield from (TooLarge, UnsupportedMediaType)
    if not access.public:
        yield Unauthenticated
    if access.scopes or access.roles or access.peers:
        yield Forbidden
    if operation.parameters:
        yield NotFound  # an empty or badly escaped segment matches no route
    if not is_nothing(operation.request):
        yield BadRequest  # a query string or path that is no UTF-8, a body that is no JSON
    if not is_nothing(operation.request) or operation.keyed:
        yield Invalid
    if operation.keyed:
        yield Conflict  # a twin with the same key is being handled
    if operation.http.rate_limit is not None:
        yield TooManyRequests
    yield from (Internal, Unavailable, DeadlineExceeded)
