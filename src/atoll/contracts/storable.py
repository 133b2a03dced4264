"""What JSON can say and PostgreSQL or another reader cannot hold: NUL in text, lone surrogates, numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from atoll.contracts.errors import FieldError, Invalid

NUL_FOUND = "holds a NUL character, which text here cannot; take it out"
NOT_UNICODE = "is not valid Unicode text"
NOT_FINITE = "is not a number that can be stored"
MAX_DECIMAL_EXPONENT = 131_071  # PostgreSQL's numeric: 131072 digits before the decimal point


def refuse_unstorable(message: Any) -> None:
    """Invalid, naming the field, if the decoded message holds what cannot be stored."""
    _walk(_plain(message), "")


def refuse_unstorable_text(values: Mapping[str, Any]) -> None:
    """The same for texts before they are converted (a query string, a form): values are text or lists of text."""
    for name, value in values.items():
        _refuse(name, _wrong_text(name))
        for text in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(text, str):
                _refuse(name, _wrong_text(text))


def may_be_not_finite(kind: Any, *, from_text: bool = False) -> bool:
    """Whether a message of this type may come out with a number that is none: a Decimal; from text ("nan") a float too."""
    if hasattr(kind, "model_json_schema"):
        return False  # pydantic has rules of its own for them
    try:
        schemas, components = msgspec.json.schema_components([kind])
    except TypeError:  # a type without a schema, such as one that a hook decodes
        return True
    schema = msgspec.json.encode([schemas, components])
    return b'"format":"decimal"' in schema or (from_text and b'"number"' in schema)


def _plain(message: Any) -> Any:
    if hasattr(message, "model_dump"):
        return message.model_dump()
    kept = (Decimal, bytes, bytearray, memoryview)
    return msgspec.to_builtins(message, builtin_types=kept, str_keys=True, enc_hook=_raw)


def _raw(value: Any) -> Any:
    """What stands in JSON that is decoded later (msgspec.Raw), so that it is looked at as well."""
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(bytes(value))
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _walk(value: Any, path: str) -> None:
    if isinstance(value, str):
        _refuse(path, _wrong_text(value))
    elif isinstance(value, (float, Decimal)):
        _refuse(path, "" if _is_number(value) else NOT_FINITE)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _refuse(path, _wrong_text(name) if isinstance(name, str) else "")
            _walk(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for position, item in enumerate(value):
            _walk(item, f"{path}[{position}]")


def _is_number(value: float | Decimal) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite() and abs(value.adjusted()) <= MAX_DECIMAL_EXPONENT
    return math.isfinite(value)


def _wrong_text(text: str) -> str:
    if "\0" in text:
        return NUL_FOUND
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return NOT_UNICODE
    return ""


def _refuse(path: str, why: str) -> None:
    if why:
        field = path.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
        raise Invalid(f"{field or 'the body'}: {why}", fields=[FieldError(field, why)])
