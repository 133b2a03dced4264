"""A service's own settings: a Struct or dataclass whose field ``card_limit`` is read from ``CARD_LIMIT``, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from atoll.contracts import Invalid
from atoll.contracts.codec import converter_for
from atoll.serve.failure import CannotServe


def read_settings(kind: type, values: Mapping[str, str]) -> Any:
    """An instance of ``kind``; CannotServe names the variable that is missing or wrong, and never shows its value."""
    names = _fields(kind)
    given = {name: values[name.upper()] for name in names if name.upper() in values}
    try:
        return converter_for(kind)(given)
    except Invalid as error:
        what = "; ".join(f"{one.field.upper()}: {one.message}".removeprefix(": ") for one in error.fields)
        raise CannotServe(f"settings {kind.__name__}: {what} (an environment variable)") from None


def _fields(kind: type) -> tuple[str, ...]:
    try:
        return tuple(one.name for one in msgspec.structs.fields(kind))
    except TypeError:
        annotations: dict[str, Any] = {}
        for base in reversed(kind.__mro__):
            annotations.update(getattr(base, "__annotations__", {}))
        return tuple(annotations)
