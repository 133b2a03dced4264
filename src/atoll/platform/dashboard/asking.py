"""What may be asked of the store, and how a request's query says it. A wrong one is refused with the name of what is wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

MOST_ROWS = 1_000
LEVELS = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "warning": 13, "error": 17, "fatal": 21}
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9}
_SPAN_OF_TIME = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)")


class Wrong(Exception):
    """A question that cannot be answered as it stands."""


class Unknown(Exception):
    """What was asked for is not there (any more)."""


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """Which traces. since, until: nanoseconds since 1970 (0: no bound); at_least: nanoseconds.

    text: in the root's name, or how a trace's id begins. attribute: `name=value` that one of its spans has.
    before: only those that began earlier (the last `start` of the page before).
    """

    service: str = ""
    text: str = ""
    attribute: str = ""
    errors: bool = False
    at_least: int = 0
    since: int = 0
    until: int = 0
    before: int = 0
    slowest: bool = False
    limit: int = 50


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which log records. level: the least severity. after: only those that came after the one of this number (for following)."""

    service: str = ""
    instance: str = ""
    text: str = ""
    attribute: str = ""
    trace: bytes = b""
    level: int = 0
    since: int = 0
    until: int = 0
    after: int = 0
    before: int = 0
    limit: int = 200


def trace_query(query: Mapping[str, str]) -> TraceQuery:
    """The query of a URL; Wrong if a value is no such thing."""
    return TraceQuery(
        service=query.get("service", ""),
        text=query.get("q", "").strip(),
        attribute=_attribute(query),
        errors=_flag(query, "errors"),
        at_least=span_of_time(query, "at_least"),
        since=moment(query, "since"),
        until=moment(query, "until"),
        before=number(query, "before", 2**63 - 1),
        slowest=query.get("order", "") == "slowest",
        limit=number(query, "limit", MOST_ROWS) or 50,
    )


def log_query(query: Mapping[str, str]) -> LogQuery:
    """The query of a URL; Wrong if a value is no such thing."""
    level = query.get("level", "").lower()
    if level and level not in LEVELS:
        raise Wrong(f"level is {level!r}; take one of {', '.join(LEVELS)}")
    return LogQuery(
        service=query.get("service", ""),
        instance=query.get("instance", ""),
        text=query.get("q", "").strip(),
        attribute=_attribute(query),
        trace=trace_id(query["trace"]) if query.get("trace") else b"",
        level=LEVELS.get(level, 0),
        since=moment(query, "since"),
        until=moment(query, "until"),
        after=number(query, "after", 2**63 - 1),
        before=number(query, "before", 2**63 - 1),
        limit=number(query, "limit", MOST_ROWS) or 200,
    )


def trace_id(text: str) -> bytes:
    """32 hexadecimal digits as bytes; Wrong for anything else."""
    if not re.fullmatch(r"[0-9a-fA-F]{32}", text):
        raise Wrong(f"{text[:40]!r} is no trace id; it has 32 hexadecimal digits")
    return bytes.fromhex(text)


def moment(query: Mapping[str, str], name: str) -> int:
    """`15m` is a quarter of an hour ago; digits are nanoseconds since 1970; nothing is 0."""
    text = query.get(name, "")
    if not text.isdigit():
        ago = span_of_time(query, name)
        return time.time_ns() - ago if ago else 0
    return number(query, name, 2**63 - 1)


def span_of_time(query: Mapping[str, str], name: str) -> int:
    """`250ms`, `1.5s` or `15m` as nanoseconds; nothing is 0."""
    text = query.get(name, "")
    if not text:
        return 0
    found = _SPAN_OF_TIME.fullmatch(text)
    if found is None:
        raise Wrong(f"{name} is {text[:40]!r}; write it as 250ms, 1.5s or 15m")
    return min(int(float(found[1]) * _UNITS[found[2]]), 2**62)


def number(query: Mapping[str, str], name: str, most: int) -> int:
    """A whole number from 0 to ``most``; nothing is 0."""
    text = query.get(name, "")
    if not text:
        return 0
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > most:
        raise Wrong(f"{name} is {text[:40]!r}; it is a whole number from 0 to {most}")
    return int(text)


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "") not in {"", "0", "false", "no"}


def _attribute(query: Mapping[str, str]) -> str:
    text = query.get("attribute", "")
    if text and not re.fullmatch(r"[^=\"\\]{1,200}=.{0,1000}", text, re.DOTALL):
        raise Wrong(f"attribute is {text[:40]!r}; write it as http.route=/orders")
    return text
