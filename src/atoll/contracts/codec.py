"""Bytes to messages and back: msgspec for Structs, dataclasses and built-in types, pydantic for its own models.

Decoders and encoders are made once, at start-up, and then only called. What a reader may rely on: text that it gets holds no
NUL character and no lone surrogate (PostgreSQL and UTF-8 have no room for them), and numbers are finite. Of a key that comes
twice the last one counts. A whole number may be any size unless its type bounds it (``Amount`` does).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, overload

import msgspec

from atoll.contracts.errors import BadRequest, FieldError, Invalid
from atoll.contracts.storable import may_be_not_finite, refuse_unstorable, refuse_unstorable_text

T = TypeVar("T")
Decode = Callable[[bytes], Any]
Encode = Callable[[Any], bytes]

_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")
_AT = re.compile(r"^(?P<what>.*?)(?: - at (?:`(?P<key>key)` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$")
_NUL = b"\\u0000"
_MAX_NAME = 100  # characters of a caller's own field name that a problem document repeats


def encode(message: Any) -> bytes:
    """The message as JSON (UTF-8)."""
    if hasattr(message, "model_dump_json"):
        return bytes(message.model_dump_json(), "utf-8")
    return _encoder.encode(message)


def encoder_for(kind: Any) -> Encode:
    """The fastest encoder for one type; for None it gives no bytes."""
    if kind is None or kind is type(None):
        return lambda _: b""
    if _is_pydantic(kind):
        return lambda message: bytes(message.model_dump_json(), "utf-8")
    return _encoder.encode


@overload
def decoder_for(kind: type[T]) -> Callable[[bytes], T]: ...


@overload
def decoder_for(kind: Any) -> Callable[[bytes], Any]: ...


def decoder_for(kind: Any) -> Callable[[bytes], Any]:
    """A decoder for one type. It raises BadRequest for what is no JSON and Invalid, naming the field, for what is no ``kind``."""
    decode = _pydantic_decoder(kind) if _is_pydantic(kind) else _msgspec_decoder(kind)
    if may_be_not_finite(kind):  # a Decimal may be NaN, which JSON's own numbers cannot

        def finite(body: bytes) -> Any:
            message = decode(body)
            refuse_unstorable(message)
            return message

        return finite

    def checked(body: bytes) -> Any:
        message = decode(body)
        if _NUL in body:  # rare, so the walk costs nothing else
            refuse_unstorable(message)
        return message

    return checked


def converter_for(kind: Any) -> Callable[[dict[str, Any]], Any]:
    """Like `decoder_for`, from a mapping of text values (a query string, a form): "3" becomes 3 where an int is wanted."""
    if _is_pydantic(kind):
        validate = kind.model_validate

        def checked_model(values: dict[str, Any]) -> Any:
            refuse_unstorable_text(values)
            return _pydantic_call(validate, values)

        return checked_model

    walk = may_be_not_finite(kind, from_text=True)

    def checked(values: dict[str, Any]) -> Any:
        refuse_unstorable_text(values)
        try:
            message = msgspec.convert(values, kind, strict=False)
        except msgspec.ValidationError as error:
            raise invalid(error) from None
        if walk:  # "nan" is a number to the reader of text
            refuse_unstorable(message)
        return message

    return checked


def invalid(error: msgspec.ValidationError) -> Invalid:
    """msgspec's message as an `Invalid` that names the field in the caller's words: ``items[0].quantity``."""
    found = _AT.match(str(error))
    what, path = (found["what"], found["path"] or "$") if found else (str(error), "$")
    field = path.removeprefix("$").removeprefix(".")
    if (unknown := _UNKNOWN.match(what)) is not None:
        field, what = _join(field, unknown["name"]), "is not a field of this message"
    elif (missing := _MISSING.match(what)) is not None:
        field, what = _join(field, missing["name"]), "is required"
    else:
        what = _lower_first(what).replace("`", "")
        if found and found["key"]:
            what = f"a key: {what}"
    return Invalid(f"{field or 'the body'}: {what}", fields=[FieldError(field, what)])


def _msgspec_decoder(kind: Any) -> Callable[[bytes], Any]:
    decode = msgspec.json.Decoder(kind).decode

    def checked(body: bytes) -> Any:
        try:
            return decode(body)
        except msgspec.ValidationError as error:
            raise invalid(error) from None
        except msgspec.DecodeError as error:
            raise _not_json(body, str(error)) from None
        except RecursionError:
            raise BadRequest("the body is nested too deeply") from None
        except UnicodeDecodeError:
            raise BadRequest("the body is not valid UTF-8") from None

    return checked


def _not_json(body: bytes, why: str) -> BadRequest:
    if not body.strip():
        return BadRequest("the body is empty; this operation needs a JSON body")
    return BadRequest(f"the body is not valid JSON: {_lower_first(why.removeprefix('JSON is malformed: '))}")


def _join(path: str, name: str) -> str:
    name = name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}..."
    return f"{path}.{name}" if path else name


def _lower_first(text: str) -> str:
    if text[1:2].isupper():
        return text  # an abbreviation or the name of a variable
    return text[:1].lower() + text[1:]


def _is_pydantic(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "model_validate_json")


def _pydantic_decoder(kind: Any) -> Callable[[bytes], Any]:
    validate = kind.model_validate_json
    return lambda body: _pydantic_call(validate, body)


def _pydantic_call(validate: Callable[[Any], Any], value: Any) -> Any:
    try:
        return validate(value)
    except ValueError as error:  # pydantic.ValidationError is one; pydantic itself is an extra
        details = getattr(error, "errors", None)
        if details is None:
            raise
        raise _from_pydantic(details(include_url=False, include_context=False, include_input=False)) from None


def _from_pydantic(details: list[dict[str, Any]]) -> Invalid | BadRequest:
    if any(one["type"] == "json_invalid" for one in details):
        return BadRequest(f"the body is not valid JSON: {_lower_first(details[0]['msg'])}")
    fields = [FieldError(_pydantic_path(one["loc"]), _lower_first(one["msg"])) for one in details]
    return Invalid(f"{fields[0].field or 'the body'}: {fields[0].message}", fields=fields)


def _pydantic_path(location: tuple[str | int, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")
