"""JSON Schema (2020-12) of message types, for the documents: msgspec's for Structs and dataclasses, pydantic's for its models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

REF_PREFIX = "#/components/schemas/"
_REF = REF_PREFIX + "{name}"

Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schema of each type (usually a reference), and the named components that they refer to, sorted by name."""

    by_type: dict[tuple[int, Mode], Schema]
    components: dict[str, Schema]

    def read(self, kind: Any) -> Schema:
        """The schema of a type that is read."""
        return self.by_type[id(kind), "validation"]

    def written(self, kind: Any) -> Schema:
        """The schema of a type that is written."""
        return self.by_type[id(kind), "serialization"]

    def resolve(self, schema: Schema) -> Schema:
        """The schema, with a reference at its top followed."""
        if (reference := schema.get("$ref")) is not None:
            return self.components[reference.removeprefix(REF_PREFIX)]
        return schema


def schemas_of(read: Iterable[Any], written: Iterable[Any] = ()) -> Schemas:
    """Schemas of what is read (requests, consumed events) and what is written (replies, published events).

    TypeError if a type has no JSON form, or if two different types would get one name.
    """
    wanted: list[tuple[Any, Mode]] = [(kind, "validation") for kind in read]
    wanted += [(kind, "serialization") for kind in written]
    models = [one for one in wanted if is_pydantic(one[0])]
    others = [one for one in wanted if not is_pydantic(one[0])]
    schemas, components = msgspec.json.schema_components([kind for kind, _ in others], ref_template=_REF)
    by_type = {(id(kind), mode): schema for (kind, mode), schema in zip(others, schemas, strict=True)}
    if models:
        _add_models(models, by_type, components)
    plain = msgspec.json.decode(
        msgspec.json.encode(components)
    )  # defaults may be tuples or ids; a document is made of JSON's types
    return Schemas(by_type, dict(sorted(plain.items())))


def is_pydantic(kind: Any) -> bool:
    """Whether the type is a pydantic model, without importing pydantic (it is an extra)."""
    return isinstance(kind, type) and hasattr(kind, "model_json_schema")


def without(schema: Schema, names: Iterable[str]) -> Schema:
    """A record's schema without some of its fields (those that travel in the path)."""
    left_out = set(names)
    return {
        **schema,
        "properties": {name: part for name, part in schema.get("properties", {}).items() if name not in left_out},
        "required": [name for name in schema.get("required", ()) if name not in left_out],
    }


def _add_models(
    models: list[tuple[Any, Mode]], by_type: dict[tuple[int, Mode], Schema], components: dict[str, Schema]
) -> None:
    from atoll.contracts.pydantic import model_schemas

    schemas, definitions = model_schemas(models, _REF.replace("{name}", "{model}"))
    for name, definition in definitions.items():
        if components.setdefault(name, definition) != definition:
            raise TypeError(
                f"two different messages are named {name!r}; a document needs one name for each: rename one"
            )
    by_type.update(schemas)
