"""Text values from a path, a query string or a form, by field."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import parse_qsl

from atoll.contracts import BadRequest, FieldError, Invalid
from atoll.transport.http.fields import Field
from atoll.transport.http.server.router import Values

MAX_PAIRS = 1000  # pairs in one query string or form; parse_qsl's own guard against flooding
NUL_MESSAGE = "must not contain the character U+0000"


def parse_pairs(text: bytes, what: str) -> list[tuple[str, str]]:
    """The pairs of a query string or a form; BadRequest if it cannot be read. ``what`` names it in messages."""
    if not text:
        return []
    try:
        return parse_qsl(text.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
    except UnicodeDecodeError:
        raise BadRequest(f"the {what} is not valid UTF-8") from None
    except ValueError:
        raise BadRequest(f"the {what} has more than {MAX_PAIRS} pairs") from None


def collect(pairs: Iterable[tuple[str, str]], many: Collection[str], prefix: str) -> dict[str, Any]:
    """The values by key; a key that comes twice is Invalid unless it is one of ``many``."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if "\0" in value or "\0" in key:
            raise wrong(f"{prefix}{key}".replace("\0", "?"), NUL_MESSAGE)
        if key in many:
            values.setdefault(key, []).append(value)
        elif key in values:
            raise wrong(f"{prefix}{key}", "is given twice")
        else:
            values[key] = value
    return values


def path_texts(names: tuple[str, ...], values: Values) -> dict[str, Any]:
    """The text of each parameter; BadRequest if one is no UTF-8, Invalid if it holds U+0000."""
    texts: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        try:
            texts[name] = text = value.decode()
        except UnicodeDecodeError:
            raise BadRequest(f"the path parameter {name} is not valid UTF-8") from None
        if "\0" in text:
            raise wrong(f"path:{name}", NUL_MESSAGE)
    return texts


def many_of(fields: Iterable[Field]) -> frozenset[str]:
    """The names of the fields that take a key more than once."""
    return frozenset(field.wire for field in fields if field.many)


def wrong(field: str, message: str) -> Invalid:
    """One wrong field."""
    return Invalid(f"{field or 'the body'}: {message}", fields=[FieldError(field, message)])


def located(error: Invalid, path: Collection[str], otherwise: str) -> Invalid:
    """The same error with its fields named by where they came from: ``path:id``, ``query:limit``."""
    fields = []
    for one in error.fields:
        top = one.field.partition(".")[0].partition("[")[0]
        fields.append(FieldError(f"{'path:' if top in path else otherwise}{one.field}", one.message))
    detail = f"{fields[0].field or 'the request'}: {fields[0].message}" if fields else error.detail
    return Invalid(detail, fields=fields)
