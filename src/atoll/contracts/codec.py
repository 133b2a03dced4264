"""Bytes to messages and back: msgspec for Structs, dataclasses and built-in types, pydantic for its own models.

Decoders and encoders are made once, at start-up, and then only called.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from atoll.contracts.errors import BadRequest, FieldError, Invalid

T = TypeVar("T")
Decode = Callable[[bytes], Any]
Encode = Callable[[Any], bytes]

_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$")
MAX_DEPTH_MESSAGE = "is nested too deeply"


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


def decoder_for(kind: type[T] | Any) -> Callable[[bytes], T]:
    """A decoder for one type. It raises BadRequest for what is no JSON and Invalid, naming the field, for what is no ``kind``."""
    if _is_pydantic(kind):
        return _pydantic_decoder(kind)
    decode = msgspec.json.Decoder(kind).decode

    def checked(body: bytes) -> T:
        try:
            return decode(body)  # type: ignore[no-any-return]
        except msgspec.ValidationError as error:
            raise invalid(error) from None
        except msgspec.DecodeError as error:
            raise BadRequest(f"the body is not valid JSON: {_lower_first(str(error))}") from None
        except RecursionError:
            raise BadRequest(f"the body {MAX_DEPTH_MESSAGE}") from None
        except UnicodeDecodeError:
            raise BadRequest("the body is not valid UTF-8") from None

    return checked


def converter_for(kind: Any) -> Callable[[dict[str, Any]], Any]:
    """Like `decoder_for`, from a mapping of text values (a query string, a form): "3" becomes 3 where an int is wanted."""
    if _is_pydantic(kind):
        validate = kind.model_validate
        return lambda values: _pydantic_call(validate, values)

    def checked(values: dict[str, Any]) -> Any:
        try:
            return msgspec.convert(values, kind, strict=False)
        except msgspec.ValidationError as error:
            raise invalid(error) from None

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
    return Invalid(f"{field or 'the body'}: {what}", fields=[FieldError(field, what)])


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _lower_first(text: str) -> str:
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
