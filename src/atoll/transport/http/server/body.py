"""Reading a request's body: its type, its size, its time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import NamedTuple

from atoll.contracts import TooLarge, UnsupportedMediaType
from atoll.transport.http.errors import RequestTimeout, UnreadBody
from atoll.transport.http.server.asgi import Receive, Whole
from atoll.transport.http.server.headers import Headers
from atoll.transport.http.server.reading import JSON
from atoll.transport.http.server.texts import wrong

_USUAL = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})

DISCARD_BYTES = 16_777_216  # of a body that is too large, at the most; beyond, the connection just closes
DISCARD_SECONDS = 1.0


class Disconnected(Exception):
    """The client went away before it had sent its request; there is nobody to answer."""


def check_media(headers: Headers, media: str) -> None:
    """UnsupportedMediaType unless the body, if there is one, is ``media`` in UTF-8 without a content encoding."""
    raw = headers.raw
    given = raw.get(b"content-type")
    if given in _USUAL and media == JSON:
        pass  # nearly always
    elif not _matches(given, media) if given is not None else _has_body(headers):
        shown = given.decode("latin-1")[:100] if given else "no content-type"
        raise UnsupportedMediaType(f"the body is {shown}; send content-type: {media}")
    if b"content-encoding" in raw and raw[b"content-encoding"].lower() != b"identity":
        raise UnsupportedMediaType("a compressed body is not read; send it without content-encoding")


class BodyRules(NamedTuple):
    """What one operation reads. media: the content type. limit: bytes. timeout: seconds for the whole body."""

    media: str
    required: bool
    limit: int
    timeout: float


async def read_body(receive: Receive, headers: Headers, rules: BodyRules, whole: Whole | None = None) -> bytes:
    """The whole body; UnsupportedMediaType, TooLarge as soon as that is known, RequestTimeout, or Invalid if it is missing."""
    media, required, limit, timeout = rules
    check_media(headers, media)
    length = headers.raw.get(b"content-length")
    if length is not None and int(length) > limit:
        raise UnreadBody(_too_large(limit))
    if whole is not None:
        there = whole.take()  # nearly always: a small body comes with its headers
        if there is not None:
            return _checked(there, required, limit)
    event = await receive()
    if event["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = event.get("body", b"")
    if event.get("more_body", False):
        body = await _rest(receive, bytearray(body), limit, timeout)
    return _checked(body, required, limit)


def _checked(body: bytes, required: bool, limit: int) -> bytes:
    if len(body) > limit:
        raise TooLarge(_too_large(limit))
    if required and not body:
        raise wrong("", "a body is required")
    return body


async def _rest(receive: Receive, body: bytearray, limit: int, timeout: float) -> bytes:
    try:
        async with asyncio.timeout(timeout):
            while len(body) <= limit:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise Disconnected
                body += event.get("body", b"")
                if not event.get("more_body", False):
                    if len(body) <= limit:
                        return bytes(body)
                    raise TooLarge(_too_large(limit))
    except TimeoutError:
        raise RequestTimeout(f"the body did not come within {timeout:g} s") from None
    raise UnreadBody(_too_large(limit))


async def discard(receive: Receive) -> None:
    """Reads on and forgets, within bounds: a client that still sends when the connection closes sees a reset, not the answer."""
    left = DISCARD_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0:
                event = await receive()
                left -= len(event.get("body", b""))
                if not event.get("more_body", False):  # also when it went away
                    return


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit} bytes"


def _has_body(headers: Headers) -> bool:
    return headers.raw.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers.raw


def _matches(given: bytes, media: str) -> bool:
    text = given.decode("latin-1").lower()
    kind, _, parameters = text.partition(";")
    kind = kind.strip()
    if kind != media and not (media == JSON and kind.startswith("application/") and kind.endswith("+json")):
        return False
    _, found, charset = parameters.partition("charset=")
    return not found or charset.split(";")[0].strip().strip('"') in ("utf-8", "utf8", "us-ascii")
