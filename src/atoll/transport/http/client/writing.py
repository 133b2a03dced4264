"""From a request message to what goes over HTTP, planned once for each operation: the mirror image of the server's reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from atoll.contracts import FieldError, Invalid, Operation
from atoll.contracts.codec import encode, encoder_for
from atoll.transport.http.fields import builtins_of, fields_of, has_fields

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
WITHOUT_BODY = frozenset({"GET", "DELETE"})
_UNSAFE = frozenset({"", ".", ".."})  # URL parsers take these segments away, and the call would reach another path


class Written(NamedTuple):
    """target: path and query string. content_type: empty without a body."""

    target: str
    body: bytes
    content_type: str


Write = Callable[[Any], Written]


def writer_for(operation: Operation[Any, Any]) -> Write:
    """The function from a request message to its parts on the wire."""
    kind = operation.request
    if kind is None or kind is type(None):
        return lambda _: Written(operation.path, b"", "")
    if not operation.parameters and operation.method not in WITHOUT_BODY and not operation.http.form:
        encode_kind = encoder_for(kind)
        return lambda message: Written(operation.path, encode_kind(message), JSON)
    return _field_writer(operation, kind)


def _field_writer(operation: Operation[Any, Any], kind: Any) -> Write:
    if not has_fields(kind):
        raise TypeError(f"{operation!r}: its request has no fields to put into the path or the query string")
    wire = {field.name: field.wire for field in fields_of(kind)}
    names = [wire[name] for name in operation.parameters]
    literals = _literals(operation)
    to_builtins = builtins_of(kind)
    has_body = operation.method not in WITHOUT_BODY and len(wire) > len(names)

    def write(message: Any) -> Written:
        values = to_builtins(message)
        target = literals[0]
        for name, literal in zip(names, literals[1:], strict=True):
            target += _segment(name, values.pop(name, None)) + literal
        if not has_body:
            query = _urlencoded(values)
            return Written(f"{target}?{query}" if query else target, b"", "")
        if operation.http.form:
            return Written(target, _urlencoded(values).encode(), FORM)
        return Written(target, encode(values), JSON)

    return write


def _literals(operation: Operation[Any, Any]) -> list[str]:
    parts, rest = [], operation.path
    for name in operation.parameters:
        before, _, rest = rest.partition("{" + name + "}")
        parts.append(before)
    return [*parts, rest]


def _segment(name: str, value: Any) -> str:
    text = _text(value)
    if text in _UNSAFE:
        raise Invalid(
            f"path:{name}: {text!r} cannot be part of a path", fields=[FieldError(f"path:{name}", "is empty")]
        )
    return quote(text, safe="")


def _urlencoded(values: dict[str, Any]) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, (list, tuple)):
            pairs.extend((name, _text(one)) for one in value)
        elif value is not None:
            pairs.append((name, _text(value)))
    return urlencode(pairs)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
