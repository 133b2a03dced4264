"""pydantic's own way to describe its models. Imported only where a contract has one: pydantic is an extra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic.json_schema import models_json_schema

Mode = Literal["validation", "serialization"]


def model_schemas(
    models: Sequence[tuple[Any, Mode]], ref_template: str
) -> tuple[dict[tuple[int, Mode], dict[str, Any]], dict[str, Any]]:
    """The schema of each model by its ``id()`` and how it is used, and the definitions that they refer to."""
    schemas, document = models_json_schema(list(dict.fromkeys(models)), ref_template=ref_template)
    return {(id(model), mode): schema for (model, mode), schema in schemas.items()}, document.get("$defs", {})
