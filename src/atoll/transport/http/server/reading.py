"""From what came over HTTP to the request message, planned once for each operation.

Fields named in the path come from there; for GET and DELETE the others come from the query string, for an operation with
``http.form`` from the form, otherwise from the JSON body. A path value wins over a body field of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from atoll.contracts import BadRequest, Invalid, Operation
from atoll.contracts.codec import converter_for, decoder_for, encode
from atoll.contracts.codec import invalid as invalid_from
from atoll.transport.http.fields import Field, fields_of, has_fields
from atoll.transport.http.server.router import Values
from atoll.transport.http.server.texts import NUL_MESSAGE, collect, located, many_of, parse_pairs, path_texts, wrong

Read = Callable[[bytes, Values, bytes], Any]
"""(body, path values, query string) -> message; BadRequest or Invalid otherwise."""
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
WITHOUT_BODY = frozenset({"GET", "DELETE"})
_NUL = b"\\u0000"
_raw = msgspec.json.Decoder()


class Reading:
    """How one operation's request is read. media: the content type of its body; empty if it has none."""

    __slots__ = ("body_required", "media", "read")

    def __init__(self, operation: Operation[Any, Any]) -> None:
        kind = None if operation.request is type(None) else operation.request
        fields = fields_of(kind) if has_fields(kind) else ()
        body_fields = [field for field in fields if field.name not in operation.parameters]
        _check_parameters(operation, fields)
        self.media, self.body_required = "", False
        if kind is None:
            self.read: Read = _nothing
        elif operation.method in WITHOUT_BODY or (fields and not body_fields):
            self.read = _texts_reader(operation, kind, fields)
        elif operation.http.form:
            self.media, self.read = FORM, _form_reader(operation, kind, fields)
            self.body_required = any(field.required for field in body_fields)
        else:
            self.media, self.read = JSON, _json_reader(operation, kind, fields)
            self.body_required = not fields or any(field.required for field in body_fields)


def _check_parameters(operation: Operation[Any, Any], fields: tuple[Field, ...]) -> None:
    names = {field.name for field in fields}
    for parameter in operation.parameters:
        if parameter not in names:
            shown = getattr(operation.request, "__name__", operation.request)
            raise TypeError(f"{operation!r}: {{{parameter}}} is in its path, but {shown} has no field {parameter!r}")


def _nothing(_body: bytes, _values: Values, _query: bytes) -> None:
    return None


def _texts_reader(operation: Operation[Any, Any], kind: Any, fields: tuple[Field, ...]) -> Read:
    names = _wire_names(operation, fields)
    known = frozenset(names)
    many = many_of(fields)
    convert = converter_for(kind)

    def read(_body: bytes, values: Values, query: bytes) -> Any:
        texts = collect(parse_pairs(query, "query string"), many, "query:")
        for name in known.intersection(texts):
            raise wrong(f"query:{name}", "belongs into the path")
        texts.update(path_texts(names, values))
        try:
            return convert(texts)
        except Invalid as error:
            raise located(error, known, "query:") from None

    return read


def _form_reader(operation: Operation[Any, Any], kind: Any, fields: tuple[Field, ...]) -> Read:
    names = _wire_names(operation, fields)
    many = many_of(fields)
    convert = converter_for(kind)

    def read(body: bytes, values: Values, _query: bytes) -> Any:
        texts = collect(parse_pairs(body, "form"), many, "")
        texts.update(path_texts(names, values))
        try:
            return convert(texts)
        except Invalid as error:
            raise located(error, names, "") from None

    return read


def _json_reader(operation: Operation[Any, Any], kind: Any, fields: tuple[Field, ...]) -> Read:
    decode = decoder_for(kind)
    if operation.parameters:
        return _json_and_path_reader(operation, kind, fields)

    def read(body: bytes, _values: Values, _query: bytes) -> Any:
        message = decode(body or b"{}")
        if _NUL in body:
            refuse_nul(body)
        return message

    return read


def _json_and_path_reader(operation: Operation[Any, Any], kind: Any, fields: tuple[Field, ...]) -> Read:
    names = _wire_names(operation, fields)
    types = {field.wire: field.type for field in fields}
    read_object: Callable[[bytes], dict[str, Any]] = decoder_for(dict[str, Any])
    finish = _finisher(kind)

    def read(body: bytes, values: Values, _query: bytes) -> Any:
        found = read_object(body or b"{}")
        if _NUL in body:
            refuse_nul(body)
        for name, text in path_texts(names, values).items():
            found[name] = _typed(name, text, types[name])
        try:
            return finish(found)
        except Invalid as error:
            raise located(error, names, "") from None

    return read


def _finisher(kind: Any) -> Callable[[dict[str, Any]], Any]:
    if hasattr(kind, "model_validate_json"):
        decode = decoder_for(kind)
        return lambda found: decode(encode(found))

    def convert(found: dict[str, Any]) -> Any:
        try:
            return msgspec.convert(found, kind)
        except msgspec.ValidationError as error:
            raise invalid_from(error) from None

    return convert


def _typed(name: str, text: str, kind: Any) -> Any:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise wrong(f"path:{name}", invalid_from(error).fields[0].message) from None


def _wire_names(operation: Operation[Any, Any], fields: tuple[Field, ...]) -> tuple[str, ...]:
    wire = {field.name: field.wire for field in fields}
    return tuple(wire[name] for name in operation.parameters)


def refuse_nul(body: bytes) -> None:
    """Invalid if a text in this JSON holds U+0000: databases refuse it, and no caller means it."""
    try:
        found = _raw.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("the body is not valid JSON") from None
    for path in _nul_paths(found, ""):
        raise wrong(path, NUL_MESSAGE)


def _nul_paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        if "\0" in value:
            yield path
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _nul_paths(item, f"{path}[{at}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            inner = f"{path}.{key}" if path else key
            if "\0" in key:
                yield inner.replace("\0", "?")
            yield from _nul_paths(item, inner)
