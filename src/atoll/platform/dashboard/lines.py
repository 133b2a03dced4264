"""A line of a process's log as a record: services' JSON and text, the servers' own forms, and the gateway's access log."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from atoll.platform.dashboard.asking import LEVELS
from atoll.platform.dashboard.opentelemetry import MOST_TEXT
from atoll.platform.dashboard.rows import Log

MOST_LINE = 65_536  # characters; what is longer is cut before it is looked at
_DEEP = 16  # levels of a field that are kept
_INFO = LEVELS["info"]
_OWN = frozenset({"time", "level", "message", "msg", "trace_id", "span_id", "service", "instance"})
# The words by which programs say how bad it is, PostgreSQL's and NATS's among them.
_WORDS = {
    **LEVELS, "critical": 21, "panic": 21, "err": 17, "notice": 9, "log": 9, "trc": 1, "dbg": 5, "inf": 9, "wrn": 13, "ftl": 21,
}  # fmt: skip
_LEVEL = re.compile(rf"(?<![\w/=])({'|'.join(_WORDS)})(?:\]|:|\s)", re.IGNORECASE)
_TRACE = re.compile(r"\btrace_id=([0-9a-f]{32})\b")
_SEARCHED = 120  # characters of a line in which its level is
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def record_of(service: str, instance: str, when: datetime, text: str) -> Log:
    """The line as a record. when: its time, as whoever read the file understood it."""
    time = int(when.timestamp() * 1_000_000) * 1_000
    text = text[:MOST_LINE]
    if text.startswith("{"):
        fields = _object(text)
        if fields is not None:
            return _structured(service, instance, time, fields, text)
    found = _LEVEL.search(text, 0, _SEARCHED)
    level = _WORDS[found[1].lower()] if found else _INFO
    trace = _TRACE.search(text)
    return Log(time, service, instance, level, _cut(text), bytes.fromhex(trace[1]) if trace else b"", b"", "{}")


def _structured(service: str, instance: str, time: int, fields: dict[str, Any], text: str) -> Log:
    rest = {name: value for name, value in fields.items() if name not in _OWN}
    message = fields.get("message", fields.get("msg"))
    level = _WORDS.get(str(fields.get("level", "")).lower(), _level_of_status(fields))
    trace, span = _id(fields.get("trace_id"), 16), _id(fields.get("span_id"), 8)
    shown = _cut(str(message)) if message is not None else _access(fields) or _cut(text)
    bounded = {name: _shallow(value, _DEEP) for name, value in rest.items()}
    return Log(time, service, instance, level, shown, trace, span if trace else b"", _encode(bounded).decode())


def _shallow(value: Any, deep: int) -> Any:
    """What is nested deeper cannot be read back by everything that asks for it."""
    if isinstance(value, (dict, list)) and not deep:
        return None
    if isinstance(value, dict):
        return {name: _shallow(one, deep - 1) for name, one in value.items()}
    return [_shallow(one, deep - 1) for one in value] if isinstance(value, list) else value


def _access(fields: dict[str, Any]) -> str:
    """``201 POST /orders`` of a line in which somebody's request was logged."""
    words = [str(fields[name]) for name in ("status", "method", "path") if name in fields]
    return _cut(" ".join(words)) if len(words) == 3 else ""


def _level_of_status(fields: dict[str, Any]) -> int:
    status = fields.get("status")
    return LEVELS["error"] if isinstance(status, int) and status >= 500 else _INFO


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _id(text: object, size: int) -> bytes:
    try:
        found = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return b""
    return found if len(found) == size else b""


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}… ({len(text):,} characters)"
