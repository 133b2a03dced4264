"""W3C Trace Context, read strictly: what is wrong is left out, and never passed on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
# https://www.w3.org/TR/trace-context-2/#tracestate-header
_MEMBER = re.compile(
    r"[a-z0-9][a-z0-9_\-*/@]{0,255}"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
MOST_MEMBERS = 32


class Remote(NamedTuple):
    """A span elsewhere. random: level 2's second flag, which says that the trace's id is random enough to decide by."""

    trace_id: str
    span_id: int
    sampled: bool
    random: bool
    state: str


def read_context(headers: Mapping[str, str]) -> Remote | None:
    """The span that a request says it comes from; None if it says nothing, or nothing that can be believed."""
    parent = headers.get("traceparent")
    if parent is None:
        return None
    found = _TRACEPARENT.fullmatch(parent.strip(" \t"))
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest is not None) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    bits = int(flags, 16)
    return Remote(trace_id, int(span_id, 16), bool(bits & 1), bool(bits & 2), read_state(headers.get("tracestate")))


def read_state(text: str | None) -> str:
    """``tracestate`` in its plain form; empty if any part of it is wrong. A key that comes twice stays as it came."""
    if not text:
        return ""
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    if len(members) > MOST_MEMBERS or not all(_MEMBER.fullmatch(member) for member in members):
        return ""
    return ",".join(members)
