"""Logs: one JSON object a line in production, a readable line on a terminal; the trace id of the request in both.

Anything logged through the standard library's `logging` comes out the same way.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

import msgspec

from atoll.service import current_request

LEVELS = ("debug", "info", "warning", "error", "critical")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
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


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _request_fields() -> dict[str, str]:
    request = current_request.get()
    if request is None:
        return {}
    found = {"operation": request.name}
    if trace := trace_id(request.headers):
        found["trace_id"] = trace
    if request_id := request.headers.get("x-request-id"):
        found["request_id"] = request_id
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
            "message": record.getMessage(),
            **self._fields,
            **_request_fields(),
            **_extra(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = "".join(traceback.format_exception(record.exc_info[1]))
        return _encode(line).decode()


class TextFormatter(logging.Formatter):
    """``12:30:01.120 info  orders  placed order  order_id=...``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line, and its traceback below it."""
        clock = f"{time.strftime('%H:%M:%S', time.localtime(record.created))}.{int(record.msecs):03d}"
        fields = " ".join(f"{name}={value}" for name, value in {**_request_fields(), **_extra(record)}.items())
        line = f"{clock} {record.levelname.lower():<8} {record.name}  {record.getMessage()}"
        if fields:
            line += f"  {fields}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        return line
