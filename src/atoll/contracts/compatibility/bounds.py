"""Lengths, limits and formats: whether what is written within some bounds is within those of its reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from atoll.contracts.compatibility.changes import Misfit

Schema = Mapping[str, Any]

UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
STRUCTURE = frozenset({"type", "properties", "required", "additionalProperties", "items", "prefixItems"})
_ZERO = frozenset({"minLength", "minItems", "minProperties"})  # without it, it is 0


def misfits(written: Schema, read: Schema, path: str) -> Iterator[Misfit]:
    """Bounds of the reader that the writer does not keep. Both have one type."""
    for name in (*written, *(name for name in read if name not in written)):
        if name in STRUCTURE or name not in read:
            continue
        if not _kept(name, written, read):
            yield Misfit(path, name, written.get(name), read[name])


def misfits_of_values(values: list[Any], read: Schema, path: str) -> Iterator[Misfit]:
    """The same of values that are listed one by one."""
    for name, bound in read.items():
        if name not in STRUCTURE and not all(_holds(name, bound, value) for value in values):
            yield Misfit(path, name, values, bound)


def _kept(name: str, written: Schema, read: Schema) -> bool:
    if name in UPPER:
        return _upper(name, written, read)
    if name in LOWER:
        return _lower(name, written, read)
    if name == "multipleOf" and name in written:
        return bool(written[name] % read[name] == 0)
    return bool(name in written and written[name] == read[name])


def _upper(name: str, written: Schema, read: Schema) -> bool:
    given = _limits(written, name, "exclusiveMaximum", "maximum")
    strict = name == "exclusiveMaximum"
    return any(bound < read[name] or (bound == read[name] and (not strict or excluded)) for bound, excluded in given)


def _lower(name: str, written: Schema, read: Schema) -> bool:
    if name in _ZERO and read[name] <= 0:
        return True
    given = _limits(written, name, "exclusiveMinimum", "minimum")
    strict = name == "exclusiveMinimum"
    return any(bound > read[name] or (bound == read[name] and (not strict or excluded)) for bound, excluded in given)


def _limits(written: Schema, name: str, exclusive: str, inclusive: str) -> list[tuple[Any, bool]]:
    """The bounds of that side that the writer keeps: (bound, whether it is out of bounds itself)."""
    if name not in (exclusive, inclusive):
        return [(written[name], False)] if name in written else []
    return [(written[one], one == exclusive) for one in (exclusive, inclusive) if one in written]


_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "maximum": lambda bound, value: value <= bound,
    "minimum": lambda bound, value: value >= bound,
    "exclusiveMaximum": lambda bound, value: value < bound,
    "exclusiveMinimum": lambda bound, value: value > bound,
    "multipleOf": lambda bound, value: value % bound == 0,
    "maxLength": lambda bound, value: len(value) <= bound,
    "minLength": lambda bound, value: len(value) >= bound,
    "pattern": lambda bound, value: re.search(bound, value) is not None,
}


def _holds(name: str, bound: Any, value: Any) -> bool:
    holds = _HOLDS.get(name)
    return holds is not None and holds(bound, value)
