"""``@saga``: how an ``async def`` becomes a saga. The decorator attaches metadata and returns the same function."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from atoll.contracts import Error, Event
from atoll.contracts.fields import wire_names
from atoll.sagas.durations import hours
from atoll.service.handlers import name_of

F = TypeVar("F", bound=Callable[..., Awaitable[None]])
PATIENCE = hours(1)  # well within the 24 hours for which a callee remembers an idempotency key
UNDO_PATIENCE = hours(12)
_MARK = "__atoll_saga__"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a saga is. message: what starts it. awaits: the field of each awaited event that holds the business key.

    patience, undo_patience: seconds for all attempts of a step, of a compensation.
    """

    function: Callable[..., Awaitable[None]]
    name: str
    message: type
    key: str
    awaits: Mapping[type[Event], str]
    errors: Mapping[str, type[Error]]
    patience: float
    undo_patience: float

    @property
    def starts_by(self) -> type[Event] | None:
        """The event that starts it; None if it is started by `Sagas.start` alone."""
        return self.message if issubclass(self.message, Event) else None

    def key_of(self, message: Any) -> str:
        """The business key of the message that starts it."""
        return str(getattr(message, self.key))


def saga(
    *,
    key: str,
    awaits: Sequence[type[Event]] | Mapping[type[Event], str] = (),
    errors: Iterable[type[Error]] = (),
    name: str = "",
    patience: float = PATIENCE,
    undo_patience: float = UNDO_PATIENCE,
) -> Callable[[F], F]:
    """Marks an ``async def`` as a saga. Its first parameter is the message that starts it; the others are injected by type.

    key: the field of that message with the business key; there is one saga a key, for good. awaits: the events that it
    waits for, which have a field of the same name, or the one given here. errors: classes of its own that its local steps
    raise, and that it catches by class. name: what the database knows it by (default: the function's name). patience,
    undo_patience: seconds for all attempts of one step (1 h), of one compensation (12 h).

    If the message is an event, the service consumes it, and each starts a saga. TypeError for what cannot be one.
    """

    def mark(function: F) -> F:
        if not inspect.iscoroutinefunction(inspect.unwrap(function)):
            raise TypeError(f"{name_of(function)} is no async def; a saga is one")
        fields = dict(awaits) if isinstance(awaits, Mapping) else dict.fromkeys(awaits, key)
        for event, field in fields.items():
            _refuse_unknown(function, event, field)
        message = _message(function)
        _refuse_unknown(function, message, key)
        known = {error.code: error for error in errors}
        found = Definition(function, name or function.__name__, message, key, fields, known, patience, undo_patience)
        setattr(function, _MARK, found)
        return function

    return mark


def definition_of(function: Callable[..., Any]) -> Definition:
    """What the decorator attached; TypeError if there is nothing."""
    found: Definition | None = getattr(function, _MARK, None)
    if found is None:
        raise TypeError(f"{name_of(function)} is no saga: decorate it with @saga(key=...)")
    return found


def saga_events(functions: Iterable[Callable[..., Any]]) -> tuple[type[Event], ...]:
    """All events that start these sagas or that they wait for."""
    found: dict[type[Event], None] = {}
    for definition in map(definition_of, functions):
        if definition.starts_by is not None:
            found[definition.starts_by] = None
        found.update(dict.fromkeys(definition.awaits))
    return tuple(found)


def _message(function: Callable[..., Any]) -> type:
    parameters = list(inspect.signature(function).parameters)
    kind = hints_of(function).get(parameters[0]) if parameters else None
    if not isinstance(kind, type):
        raise TypeError(
            f"{name_of(function)}: the first parameter of a saga is the message that starts it, with its type"
        )
    return kind


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function, resolved; TypeError names the one that is not known at run time."""
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{name_of(function)}: the type {error.name!r} is not known at run time; import it outside of TYPE_CHECKING"
        ) from None


def _refuse_unknown(function: Callable[..., Any], kind: type, field: str) -> None:
    if field not in (wire_names(kind) or {}):
        raise TypeError(
            f"{name_of(function)}: {kind.__name__} has no field {field!r} for the business key; "
            "name it: key='...', awaits={Event: '...'}"
        )
