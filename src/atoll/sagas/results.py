"""How results travel through the journal: as JSON, read back by the type that the code declares."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from atoll.contracts.codec import decoder_for, encode
from atoll.contracts.fields import is_nothing
from atoll.sagas.definition import hints_of
from atoll.service.handlers import name_of

UNTYPED = object()


def write(value: Any) -> str | None:
    """The value as the journal holds it."""
    return None if value is None else encode(value).decode()


def read(kind: Any, text: str | None) -> Any:
    """The value again. Invalid or BadRequest if it is no ``kind``."""
    if text is None or is_nothing(kind):
        return None
    return _decoder(kind)(text.encode())


def result_type(function: Callable[..., Any]) -> Any:
    """What the function is annotated to return; `UNTYPED` for a lambda, whose result must be None.

    TypeError for another function without that annotation: the journal could not give its result back.
    """
    plain = function
    while isinstance(plain, functools.partial):
        plain = plain.func
    plain = getattr(plain, "__func__", plain)
    if getattr(plain, "__name__", "") == "<lambda>":
        return UNTYPED
    hint = _hint(plain)
    if hint is UNTYPED:
        raise TypeError(f"{name_of(plain)} has no return type; the journal gives its result back by that type")
    return hint


@lru_cache(1024)
def _hint(function: Callable[..., Any]) -> Any:
    return hints_of(function).get("return", UNTYPED)


@lru_cache(1024)
def _decoder(kind: Any) -> Callable[[bytes], Any]:
    return decoder_for(kind)
