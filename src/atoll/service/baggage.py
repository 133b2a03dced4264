"""W3C Baggage (https://www.w3.org/TR/baggage/): what a request carries along to everything that happens because of it.

It goes with calls, events and sagas; it is told in no span, and anybody who may call a service may say what he likes in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import quote, unquote

from atoll.service.context import current_request

HEADER = "baggage"
MOST_MEMBERS, MOST_BYTES = 64, 8192  # section 3.3.2: what must be carried at the least is the most here
_KEY = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER = re.compile(rf"[\x20-\x7e]{{1,{MOST_BYTES}}}")
_added: ContextVar[Mapping[str, str] | None] = ContextVar("atoll_baggage", default=None)


def read_baggage(text: str | None) -> dict[str, str]:
    """The members of a ``baggage`` header, without their properties; those that are wrong or too many are left out."""
    found: dict[str, str] = {}
    if not text or len(text) > MOST_BYTES:
        return found
    for part in text.split(","):
        key, equals, value = part.partition(";")[0].partition("=")
        key = key.strip(" \t")
        if equals and _KEY.fullmatch(key) and len(found) < MOST_MEMBERS:
            found[key] = unquote(value.strip(" \t"))
    return found


def write_baggage(members: Mapping[str, str]) -> str:
    """The header."""
    return ",".join(f"{key}={quote(value, safe='')}" for key, value in members.items())


def baggage() -> dict[str, str]:
    """What came with the request or event that is being handled, and what `carrying` added."""
    return {**read_baggage(_came()), **(_added.get() or {})}


@contextmanager
def carrying(**members: str) -> Iterator[None]:
    """``with carrying(campaign="autumn"):`` adds to what goes along from here. ValueError for more than W3C lets through."""
    found = {**(_added.get() or {}), **members}
    whole = {**read_baggage(_came()), **found}
    if len(whole) > MOST_MEMBERS or len(write_baggage(whole)) > MOST_BYTES:
        raise ValueError(
            f"baggage is too large: at most {MOST_MEMBERS} members of {MOST_BYTES} bytes together are carried"
        )
    token = _added.set(found)
    try:
        yield
    finally:
        _added.reset(token)


def baggage_header() -> str:
    """The header for what goes out now; empty if there is nothing. As it came, with its properties, if nothing was added."""
    if _added.get():
        return write_baggage(baggage())
    return _came()


def _came() -> str:
    request = current_request.get()
    header = None if request is None else request.headers.get(HEADER)
    return header if header and _HEADER.fullmatch(header) else ""
