"""A request's first bytes: its line and its headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # they say "no body" by a length of 0 (RFC 9110, section 8.6)
_SAFE = "/?:@!$&'()*+,;=-._~%[]"
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def request_head(method: str, target: str, host: str, headers: Mapping[str, str], length: int) -> bytes:
    """The bytes; ValueError for what would end a header or the line early."""
    lines = [f"{method} {target} HTTP/1.1\r\nhost: {host}\r\nuser-agent: atoll\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    if "accept" not in headers:
        lines.append("accept: */*\r\n")
    if length or method in _WITH_BODY:
        lines.append(f"content-length: {length}\r\n")
    lines.append("\r\n")
    text = "".join(lines)
    # What somebody else wrote must not begin a header of its own, nor a request.
    ends = len(lines) + 2
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text:
        raise ValueError(f"{_odd(method, target, headers)} has a line break or a NUL, which no header may have")
    return text.encode()


def quoted(target: str) -> str:
    """The target with whatever may not stand in a request line in percent-encoding; what is encoded already stays."""
    target = target.partition("#")[0]
    return target if target.isascii() and target.isprintable() and " " not in target else quote(target, safe=_SAFE)


def _odd(method: str, target: str, headers: Mapping[str, str]) -> str:
    """What is wrong, by name: a value may be a secret."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            return f"the header's name {name!r}"
        if any(one in value for one in "\r\n\0"):
            return f"the header {name}"
    return f"{method} {target!r}"
