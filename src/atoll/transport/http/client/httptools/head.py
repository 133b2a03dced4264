"""A request's first bytes: its line and its headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

_USUAL = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # they say "no body" by a length of 0 (RFC 9110, section 8.6)
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "expect"})
_SAFE = "/?:@!$&'()*+,;=-._~%[]"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_REMEMBERED = 1_000  # names
_names: dict[str, str] = {}  # that were looked at already -> in lower case


def request_head(method: str, target: str, host: str, headers: Mapping[str, str], length: int) -> bytes:
    """The bytes. The caller's headers replace the client's own. ValueError for what would end a header or the line early."""
    names = [_names.get(name) or _checked(name) for name in headers]
    lines = [f"{name}: {value}\r\n" for name, value in zip(names, headers.values(), strict=True)]
    first = f"{method if method in _USUAL else _method(method)} {target} HTTP/1.1\r\n"
    if "host" not in names:
        lines.append(f"host: {host}\r\n")
    if "user-agent" not in names:
        lines.append("user-agent: atoll\r\n")
    if "accept" not in names:
        lines.append("accept: */*\r\n")
    if length or method in _WITH_BODY:
        lines.append(f"content-length: {length}\r\n")
    text = first + "".join(lines) + "\r\n"
    # What somebody else wrote must not begin a header of its own, nor a request.
    ends = len(lines) + 2
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text:
        raise ValueError(f"{_odd(method, target, headers)} has a line break or a NUL, which no header may have")
    return text.encode()


def quoted(target: str) -> str:
    """The target with whatever may not stand in a request line in percent-encoding; what is encoded already stays."""
    target = target.partition("#")[0]
    if not target.startswith("/"):
        target = f"/{target}"
    return target if target.isascii() and target.isprintable() and " " not in target else quote(target, safe=_SAFE)


def _checked(name: str) -> str:
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"the header's name {name!r} is none (RFC 9110, section 5.1)")
    if lower in _OURS:
        raise ValueError(f"the header {lower} is the HTTP client's own business; leave it out")
    if len(_names) < _REMEMBERED:
        _names[name] = lower
    return lower


def _method(method: str) -> str:
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"{method!r} is no method of HTTP")
    return method


def _odd(method: str, target: str, headers: Mapping[str, str]) -> str:
    """What is wrong, by name: a value may be a secret."""
    for name, value in headers.items():
        if any(one in value for one in "\r\n\0"):
            return f"the header {name}"
    return f"{method} {target!r}"
