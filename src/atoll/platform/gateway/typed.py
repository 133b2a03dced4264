"""Envoy's ``Any``: a message with its type's name in it."""

from __future__ import annotations

from typing import Any


def typed(message: str, **fields: Any) -> dict[str, Any]:
    """``typed("envoy.config.x.v3.Y", a=1)`` as the JSON of a protobuf ``Any``."""
    return {"@type": f"type.googleapis.com/{message}", **fields}


def seconds(value: float) -> str:
    """A protobuf duration: ``seconds(0.25)`` is ``"0.25s"``."""
    return f"{value:.6f}".rstrip("0").rstrip(".") + "s"


def header(name: str, value: str) -> dict[str, Any]:
    """A header to set, replacing what was there; an empty value is left out."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def safe_regex(pattern: str) -> dict[str, Any]:
    """An RE2 pattern that the whole text must match."""
    return {"safe_regex": {"regex": pattern}}
