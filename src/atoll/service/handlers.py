"""How a plain ``async def`` becomes a handler: the decorators attach metadata and return the same function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from atoll.contracts import Event, Operation

Req = TypeVar("Req")
Rep = TypeVar("Rep")
E_ = TypeVar("E_", bound=Event)
F = TypeVar("F", bound=Callable[..., Awaitable[Any] | AsyncIterator[Any]])
_MARK = "__atoll_handles__"


@dataclass(frozen=True, slots=True)
class Header:
    """``Annotated[str, Header("user-agent")]``: a parameter that comes from a header; optional if it has a default."""

    name: str


@dataclass(frozen=True, slots=True)
class Implements:
    """The mark of a function that implements an operation."""

    operation: Operation[Any, Any]


@dataclass(frozen=True, slots=True)
class Consumes:
    """The mark of a function that consumes an event."""

    event: type[Event]


Mark = Implements | Consumes


def implements(operation: Operation[Req, Rep]) -> Callable[[F], F]:
    """Marks an ``async def`` as what answers ``operation``. Its parameters are injected by type (see `plan`)."""

    def mark(function: F) -> F:
        return _mark(function, Implements(operation))

    return mark


def consumes(event: type[Event]) -> Callable[[F], F]:
    """Marks an ``async def`` as what handles each event of this type, at least once delivered, once effective."""
    if not event.subject_:
        raise TypeError(f"{event.__name__} has no subject; write class {event.__name__}(Event, subject='...')")

    def mark(function: F) -> F:
        return _mark(function, Consumes(event))

    return mark


def mark_of(function: Callable[..., Any]) -> Mark:
    """What the function handles; TypeError if nothing marks it."""
    mark: Mark | None = getattr(function, _MARK, None)
    if mark is None:
        raise TypeError(f"{name_of(function)} is no handler: decorate it with @implements(...) or @consumes(...)")
    return mark


def name_of(function: Callable[..., Any]) -> str:
    """``shop_orders.place.place_order``, for messages."""
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"


def _mark(function: F, mark: Mark) -> F:
    if getattr(function, _MARK, None) is not None:
        raise TypeError(f"{name_of(function)} is a handler already; one function handles one thing")
    setattr(function, _MARK, mark)
    return function
