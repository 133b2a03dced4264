"""The fields of a message type, read once at start-up: what goes into the path, the query string, the form or the body."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
from collections.abc import Callable
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

_MANY = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Set, collections.abc.Collection)


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One field. wire: its name in JSON, in the query string and in forms. many: it takes a key more than once."""

    name: str
    wire: str
    type: Any
    required: bool
    many: bool


def fields_of(kind: Any) -> tuple[Field, ...]:
    """The fields of a Struct, a dataclass or a pydantic model; TypeError for what has none."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return tuple(_field(one.name, one.encode_name, one.type, one.required) for one in msgspec.structs.fields(kind))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        return tuple(_field(one.name, one.name, hints[one.name], _required(one)) for one in dataclasses.fields(kind))
    if hasattr(kind, "model_fields"):
        return tuple(
            _field(name, one.alias or name, one.annotation, one.is_required())
            for name, one in kind.model_fields.items()
        )
    raise TypeError(f"{getattr(kind, '__name__', kind)} has no fields; it is no Struct, dataclass or pydantic model")


def has_fields(kind: Any) -> bool:
    """Whether `fields_of` has an answer: a list, say, is a whole JSON body and has none."""
    return isinstance(kind, type) and (
        issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind) or hasattr(kind, "model_fields")
    )


def builtins_of(kind: Any) -> Callable[[Any], dict[str, Any]]:
    """A function from a message to its fields as JSON would hold them, by their names on the wire."""
    if hasattr(kind, "model_dump"):
        return lambda message: dict(message.model_dump(mode="json", by_alias=True))
    return lambda message: dict(msgspec.to_builtins(message))


def _field(name: str, wire: str, hint: Any, required: bool) -> Field:
    return Field(name, wire, hint, required, _many(hint))


def _required(one: dataclasses.Field[Any]) -> bool:
    return one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING


def _many(hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is Annotated:
        return _many(get_args(hint)[0])
    if origin in (Union, types.UnionType):
        return any(_many(one) for one in get_args(hint))
    return (origin or hint) in _MANY
