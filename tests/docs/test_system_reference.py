"""docs/system.md lists every class and field of the model, with its default."""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pytest

from atoll import system

PAGE = (Path(__file__).parents[2] / "docs/system.md").read_text("utf-8")
SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| (required|`[^`]*`) \| \S.* \|$", re.MULTILINE)
CLASSES = [name for name in system.__all__ if name not in {"Part", "Trouble"}]


def default(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return f"`{field.default!r}`"
    if field.default_factory is MISSING:
        return "required"
    made = field.default_factory()
    return f"`{made!r}`" if isinstance(made, dict) else f"`{type(made).__name__}()`"


def test_every_class_has_a_section() -> None:
    assert sorted(dict(SECTION.findall(PAGE))) == sorted(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_every_field_is_listed_with_its_default(name: str) -> None:
    listed = ROW.findall(dict(SECTION.findall(PAGE))[name])
    assert listed == [(field.name, default(field)) for field in fields(getattr(system, name)) if field.name != "place"]
