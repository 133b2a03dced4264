"""The fields of a message, whatever kind of type the message is: their names in Python and on the wire."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


def wire_names(kind: Any) -> Mapping[str, str] | None:
    """The name on the wire by the field's name; empty for no message; None for a type that is no record (a list, a dict)."""
    if is_nothing(kind):
        return {}
    if (names := getattr(kind, "__struct_fields__", None)) is not None:
        return dict(zip(names, kind.__struct_encode_fields__, strict=True))
    if (models := getattr(kind, "model_fields", None)) is not None:
        return {name: model.alias or name for name, model in models.items()}
    if dataclasses.is_dataclass(kind):
        return {one.name: one.name for one in dataclasses.fields(kind)}
    return None


def is_nothing(kind: Any) -> bool:
    """Whether an operation has no such message: ``None`` or ``type(None)``."""
    return kind is None or kind is type(None)
