"""Statements as spans: what was run, without any of its values, and how long it took."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from time import time_ns
from typing import TypeVar

from atoll.service.tracing import CLIENT, Failure, Span, SpanPlan, Value, current_span, kept_plan

T = TypeVar("T")
METRIC = "db.client.operation.duration"
LONGEST = 2_000  # characters of a statement that are told
_LITERAL = re.compile(r"'(?:[^']|'')*'|(?<![\w$.])\d+(?:\.\d+)?\b")
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+([a-z_][\w.\"]*)", re.IGNORECASE)
_CHANGE = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE)\s+(?:INTO\s+|FROM\s+)?(?!SET\b)([a-z_][\w.\"]*)", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]+")
_SILENT = frozenset({"BEGIN", "BEGIN;"})  # tells nothing that the first statement does not


def observed(statement: str, running: Awaitable[T]) -> Awaitable[T]:
    """The same, as a span below the current one; as it is where nothing is traced."""
    span = current_span.get()
    return running if span is None or statement in _SILENT else _timed(span, statement, running)


async def _timed(span: Span, statement: str, running: Awaitable[T]) -> T:
    plan = span.trace.tracer.plans.get(statement) or kept_plan(statement, lambda: statement_plan(statement))
    failure: Failure | None = None
    start = time_ns()
    try:
        return await running
    except BaseException as error:
        failure = type(error).__qualname__, ""  # its text may hold the values of a row
        raise
    finally:
        span.leaf(plan, start, None, failure)


def statement_plan(statement: str) -> SpanPlan:
    """Its verb and table are its name, its literals are question marks."""
    told = " ".join(_LITERAL.sub("?", statement).split())[:LONGEST]
    words = _WORD.search(told)
    verb = words.group().upper() if words else "SQL"
    found = _TABLE.search(told)
    if verb == "WITH" and (changes := list(_CHANGE.finditer(told))):  # what it is for stands last
        verb, table = changes[-1].group(1).upper(), changes[-1].group(2)
    else:
        table = found.group(1) if found else ""
    attributes: dict[str, Value] = {"db.system.name": "postgresql", "db.operation.name": verb, "db.query.text": told}
    if table:
        attributes["db.collection.name"] = table
    name = f"{verb} {table}".strip()
    attributes["db.query.summary"] = name
    return SpanPlan(
        name, CLIENT, attributes, metric=METRIC, labels=("db.system.name", "db.operation.name", "db.collection.name")
    )
