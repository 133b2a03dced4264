"""Logs: one JSON object a line in production, a readable line on a terminal; the trace id of the request in both.

Anything logged through the standard library's `logging` comes out the same way.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

import msgspec

from atoll.service import current_request
from atoll.service.tracing import current_span
from atoll.telemetry.otlp_logs import extra_fields
from atoll.telemetry.redaction import redacted, traceback_of

LEVELS = ("debug", "info", "warning", "error", "critical")
_encode = msgspec.json.Encoder(enc_hook=str).encode


def configure_logging(*, form: str, level: str, fields: Mapping[str, str], stream: TextIO | None = None) -> None:
    """Sends all logs to ``stream`` (standard error) in one form.

    form: "json" or "text". level: one of `LEVELS`. fields: put on every JSON line (service, instance, release).
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(fields) if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper() if level in LEVELS else "INFO")
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def trace_id(headers: Mapping[str, str]) -> str:
    """The trace id of a W3C ``traceparent`` header; empty if there is none."""
    parts = headers.get("traceparent", "").split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else ""


def _request_fields() -> dict[str, str]:
    found = {}
    request, span = current_request.get(), current_span.get()
    if request is not None:
        found["operation"] = request.name
        if request_id := request.headers.get("x-request-id"):
            found["request_id"] = request_id
    if span is not None:
        found |= {"trace_id": span.trace.id, "span_id": f"{span.id:016x}"}
    elif request is not None and (trace := trace_id(request.headers)):
        found["trace_id"] = trace
    return found


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC, RFC 3339), level, logger, message, the request, what ``extra=`` gave."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__()
        self._fields = dict(fields)

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
            **self._fields,
            **_request_fields(),
            **extra_fields(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = traceback_of(record.exc_info[1])
        return _encode(line).decode()


class TextFormatter(logging.Formatter):
    """``12:30:01.120 info  orders  placed order  order_id=...``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line, and its traceback below it."""
        clock = f"{time.strftime('%H:%M:%S', time.localtime(record.created))}.{int(record.msecs):03d}"
        fields = " ".join(f"{name}={value}" for name, value in {**_request_fields(), **extra_fields(record)}.items())
        line = f"{clock} {record.levelname.lower():<8} {record.name}  {redacted(record.getMessage())}"
        if fields:
            line += f"  {fields}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + traceback_of(record.exc_info[1]).rstrip()
        return line
