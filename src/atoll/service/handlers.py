"""How a plain ``async def`` becomes a handler: the decorators attach metadata and return the same function."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, overload

from atoll.contracts import Event, Operation, Stream

Rep = TypeVar("Rep")
T = TypeVar("T")
P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Awaitable[None]])
Returns = Callable[P, Coroutine[Any, Any, Rep]]
Yields = Callable[P, AsyncIterator[T]]
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


@overload
def implements(operation: Operation[Any, Stream[T]]) -> Callable[[Yields[P, T]], Yields[P, T]]: ...


@overload
def implements(operation: Operation[Any, Rep]) -> Callable[[Returns[P, Rep]], Returns[P, Rep]]: ...


def implements(operation: Operation[Any, Any]) -> Callable[[Any], Any]:
    """Marks an ``async def`` as what answers ``operation``. Its parameters are injected by type (see `plan`).

    A type checker refuses a function that returns something else than the reply. For a `Stream[T]` it is an async
    generator of ``T``.
    """
    if not operation.name:
        raise TypeError(f"{operation!r} belongs to no Api; write it as an attribute of an Api class")

    def mark(function: Any) -> Any:
        if operation.streams != inspect.isasyncgenfunction(inspect.unwrap(function)):
            what = "an async generator" if operation.streams else "an async def that returns the reply"
            raise TypeError(f"{name_of(function)} must be {what}, to answer {operation!r}")
        return _mark(function, Implements(operation))

    return mark


def consumes(event: type[Event]) -> Callable[[F], F]:
    """Marks an ``async def`` as what handles each event of this type, at least once delivered, once effective."""
    if not event.subject_:
        raise TypeError(f"{event.__name__} has no subject; write class {event.__name__}(Event, subject='...')")

    def mark(function: F) -> F:
        _mark(function, Consumes(event))
        return function

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


def _mark(function: Any, mark: Mark) -> Any:
    plain = inspect.unwrap(function)
    if not inspect.iscoroutinefunction(plain) and not inspect.isasyncgenfunction(plain):
        raise TypeError(f"{name_of(function)} is no async def; handlers are (nothing here may block the event loop)")
    if getattr(function, _MARK, None) is not None:
        raise TypeError(f"{name_of(function)} is a handler already; one function handles one thing")
    setattr(function, _MARK, mark)
    return function
