"""Whether all that one schema allows to be written can be read by another one.

What is not known to be safe does not fit: a part of JSON Schema that Atoll does not write counts as a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from atoll.contracts.compatibility import bounds
from atoll.contracts.compatibility.changes import Misfit
from atoll.contracts.compatibility.documents import REFERENCES

Schema = Mapping[str, Any]

TEXTS = frozenset(
    {"title", "description", "examples", "deprecated", "discriminator", "default"}
)  # no value is refused by them
_JSON_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fitting:
    """Two documents' components, and how strictly they are compared.

    relied: a field that readers know and writers have no more is a misfit, although a default stands in for it.
    """

    written: Schema
    read: Schema
    relied: bool = False
    within: frozenset[tuple[str, str]] = frozenset()

    def misfits(self, written: Schema, read: Schema, path: str = "") -> Iterator[Misfit]:
        """What could be written and not be read, or be read as something else."""
        pair = (str(written.get("$ref", "")), str(read.get("$ref", "")))
        if pair in self.within:
            return  # a type that holds itself: the round before looks at it
        inner = replace(self, within=self.within | {pair}) if all(pair) else self
        default = _default(written, read)
        if default is not None:
            yield Misfit(path, "default", *default)
        one, other = _resolved(written, self.written), _resolved(read, self.read)
        yield from inner.alternatives(_alternatives(one, self.written), _alternatives(other, self.read), path)

    def alternatives(self, written: list[Schema], read: list[Schema], path: str) -> Iterator[Misfit]:
        """Each that may be written needs one that reads it."""
        for one in written:
            found = [list(self.single(one, other, path)) for other in read]
            if found and all(found):
                nearest = _nearest(one, read)
                yield from found[nearest] if nearest is not None else self._none(written, read, path)

    def _none(self, written: list[Schema], read: list[Schema], path: str) -> Iterator[Misfit]:
        yield Misfit(path, "type", [_kind(one) for one in written], [_kind(one) for one in read])

    def single(self, written: Schema, read: Schema, path: str) -> Iterator[Misfit]:
        """The same of two schemas without alternatives."""
        shape, other = _shape(read), _shape(written)
        if not shape or shape == other == {}:
            return
        if not other:
            yield Misfit(path, "type", "anything", _kind(read))
        elif "enum" in other or "const" in other:
            yield from _values(other, shape, path)
        elif "enum" in shape or "const" in shape or not _same_type(other, shape):
            yield Misfit(path, "type", _kind(written), _kind(read))
        else:
            yield from bounds.misfits(other, shape, path)
            yield from self.parts(other, shape, path)

    def parts(self, written: Schema, read: Schema, path: str) -> Iterator[Misfit]:
        """The items of arrays and the fields of objects."""
        if read.get("type") == "array":
            yield from self.items(written, read, path)
        elif read.get("type") == "object":
            yield from self.fields(written, read, path)

    def items(self, written: Schema, read: Schema, path: str) -> Iterator[Misfit]:
        """Lists, and tuples whose places have types of their own."""
        places = max(len(written.get("prefixItems", ())), len(read.get("prefixItems", ())))
        for at in range(places):
            yield from self.item(_place(written, at), _place(read, at), f"{path}[{at}]")
        yield from self.item(_place(written, places), _place(read, places), f"{path}[]")

    def item(self, written: Any, read: Any, path: str) -> Iterator[Misfit]:
        """One place of an array; False stands for one that there cannot be."""
        if written is False:
            return
        if read is False:
            yield Misfit(path, "unknown")
        else:
            yield from self.misfits(written, read, path)

    def fields(self, written: Schema, read: Schema, path: str) -> Iterator[Misfit]:
        """Objects: who writes a record writes its own fields only, whatever it would ignore as a reader."""
        ours, theirs = written.get("properties", {}), read.get("properties", {})
        others = written.get("additionalProperties", False if "properties" in written else {})
        for name, schema in theirs.items():
            at = f"{path}.{name}" if path else name
            if name in read.get("required", ()) and name not in written.get("required", ()):
                yield Misfit(at, "required", name in ours or None)
            elif name not in ours and (others is False or others is None):
                if self.relied:
                    yield Misfit(at, "removed")
                continue
            if name in ours or others is not False:
                yield from self.misfits(ours.get(name, others or {}), schema, at)
        yield from self.unknown(written, read, path)

    def unknown(self, written: Schema, read: Schema, path: str) -> Iterator[Misfit]:
        """Fields that the reader has no name for."""
        rest = read.get("additionalProperties", {})
        for name in written.get("properties", {}):
            if name not in read.get("properties", {}):
                yield from self.item(written["properties"][name], rest, f"{path}.{name}" if path else name)
        others = written.get("additionalProperties", False if "properties" in written else {})
        if others is not False and rest != {}:
            yield from self.item(others, rest, f"{path}{{}}")


def _resolved(schema: Schema, components: Schema) -> Schema:
    """What a reference stands for; one that leads nowhere, or round in a circle, says nothing, as an empty schema does."""
    for _ in range(REFERENCES):
        if "$ref" not in schema:
            return schema
        schema = components.get(str(schema["$ref"]).rpartition("/")[2], {})
    return {}


def _alternatives(schema: Schema, components: Schema) -> list[Schema]:
    found: list[Schema] = []
    for one in schema.get("anyOf", (schema,)):
        resolved = _resolved(one, components)
        found += [resolved] if "anyOf" not in resolved else _alternatives(resolved, components)
    return found


def _shape(schema: Schema) -> Schema:
    return {name: part for name, part in schema.items() if name not in TEXTS}


def _same_type(written: Schema, read: Schema) -> bool:
    kinds = (written.get("type"), read.get("type"))
    return kinds[0] == kinds[1] or kinds == ("integer", "number")


def _nearest(written: Schema, read: list[Schema]) -> int | None:
    """The one alternative that is meant by the same: of the same name, else the only one of its type."""
    for alike in (_same_title, _same_type):
        found = [at for at, other in enumerate(read) if alike(written, other)]
        if len(found) == 1:
            return found[0]
    return None


def _same_title(written: Schema, read: Schema) -> bool:
    return "title" in written and written["title"] == read.get("title")


def _kind(schema: Schema) -> str:
    if "enum" in schema or "const" in schema:
        return f"one of {', '.join(map(str, _allowed(schema)))}"
    kind = str(schema.get("type", "anything"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _allowed(schema: Schema) -> list[Any]:
    return list(schema["enum"]) if "enum" in schema else [schema["const"]]


def _values(written: Schema, read: Schema, path: str) -> Iterator[Misfit]:
    values = _allowed(written)
    if "enum" in read or "const" in read:
        if any(value not in _allowed(read) for value in values):
            yield Misfit(path, "list of values", values, _allowed(read))
    elif {_type_of(value) for value in values} - {read.get("type")}:
        yield Misfit(path, "type", _kind(written), _kind(read))
    else:
        yield from bounds.misfits_of_values(values, read, path)


def _type_of(value: Any) -> str:
    return next((name for kind, name in _JSON_TYPES if isinstance(value, kind)), "null")


def _place(schema: Schema, at: int) -> Any:
    places = schema.get("prefixItems", ())
    return places[at] if at < len(places) else schema.get("items", {})


def _default(written: Schema, read: Schema) -> tuple[Any, Any] | None:
    if "default" not in written or "default" not in read or written["default"] == read["default"]:
        return None
    return written["default"], read["default"]
