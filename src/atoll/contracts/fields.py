"""The names that a message's fields have on the wire, whatever kind of type the message is."""

from __future__ import annotations

import dataclasses
from typing import Any


def field_names(kind: Any) -> tuple[str, ...] | None:
    """Names as they are sent; () for no message; None for a type that is no record (a list, a dict)."""
    if kind is None or kind is type(None):
        return ()
    if (names := getattr(kind, "__struct_encode_fields__", None)) is not None:
        return tuple(names)
    if (models := getattr(kind, "model_fields", None)) is not None:
        return tuple(model.alias or name for name, model in models.items())
    if dataclasses.is_dataclass(kind):
        return tuple(one.name for one in dataclasses.fields(kind))
    return None
