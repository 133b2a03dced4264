"""From a handler's reply, or its error, to what goes over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from atoll.contracts import Error, Operation, Problem
from atoll.contracts.codec import encoder_for
from atoll.contracts.errors import PROBLEM_MEDIA_TYPE

RawHeaders = list[tuple[bytes, bytes]]
JSON_HEADER = (b"content-type", b"application/json")
PROBLEM_HEADER = (b"content-type", PROBLEM_MEDIA_TYPE.encode())
CLOSE_HEADER = (b"connection", b"close")
EMPTY_STATUSES = frozenset({204, 304})
_PARAMETER = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_problem_encoder = msgspec.json.Encoder()


class Reply(NamedTuple):
    """One whole reply. own: whether all of its headers are made here, so that they need no check before they are sent."""

    status: int
    headers: RawHeaders
    body: bytes
    own: bool = False


class Replying:
    """How one operation's reply is written."""

    __slots__ = ("_encode", "_fixed", "_location", "_status")

    def __init__(self, operation: Operation[Any, Any]) -> None:
        surface = operation.http
        self._encode = encoder_for(None if operation.streams else operation.reply)
        self._status = surface.status
        self._fixed: RawHeaders = [] if operation.reply in (None, type(None)) else [JSON_HEADER]
        if surface.cache_control:
            self._fixed += encoded([("cache-control", surface.cache_control)])
        self._location = _location(surface.location) if surface.location else None

    def write(self, message: Any, extra: Mapping[str, str]) -> Reply:
        """The reply for what the handler returned; ``extra`` are headers that handlers and layers added."""
        body = self._encode(message)
        headers = self._fixed.copy()
        if self._status not in EMPTY_STATUSES:
            headers.append((b"content-length", b"%d" % len(body)))
        if self._location is not None:
            headers.append((b"location", self._location(message)))
        if extra:
            headers.extend(encoded(extra.items()))
        return Reply(self._status, headers, body, own=not extra)


def problem_reply(error: Error, instance: str, *, close: bool = False) -> Reply:
    """The problem document of an error. close: the connection cannot be used again."""
    body = problem_body(error, instance)
    headers = [PROBLEM_HEADER, (b"content-length", b"%d" % len(body)), *encoded(error.headers.items())]
    if close:
        headers.append(CLOSE_HEADER)
    return Reply(error.status, headers, body)


def problem_body(error: Error, instance: str) -> bytes:
    """The problem document as JSON."""
    problem: Problem = msgspec.structs.replace(error.problem(), instance=instance)
    # `status` is always there, also where it is the default that the struct leaves out
    return _problem_encoder.encode({**msgspec.to_builtins(problem), "status": error.status})


def encoded(headers: Iterable[tuple[str, str]]) -> RawHeaders:
    """Headers as bytes; a line break or control character in a value becomes a space (it would end the header)."""
    return [(name.lower().encode("latin-1"), _clean(value).encode("latin-1", "replace")) for name, value in headers]


def _clean(value: str) -> str:
    return _BREAKS.sub(" ", value)


def _location(template: str) -> Callable[[Any], bytes]:
    parts = _PARAMETER.split(template)
    literals, getters = [_clean(part) for part in parts[::2]], [attrgetter(name) for name in parts[1::2]]

    def location(message: Any) -> bytes:
        text = literals[0]
        for getter, literal in zip(getters, literals[1:], strict=True):
            text += quote(str(getter(message)), safe="") + literal
        return text.encode("latin-1")

    return location
