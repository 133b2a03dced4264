"""Log records as OTLP (`ExportLogsServiceRequest`), with the span that they belong to."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

from atoll.service.tracing import Value, current_span
from atoll.telemetry.otlp_spans import SCOPE
from atoll.telemetry.protobuf import any_value, attributes, block, fixed64, number, text
from atoll.telemetry.redaction import COVER, SHORTEST_CARD, is_secret, redacted, traceback_of

QUEUE = 8_192  # records
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SEVERITIES = ((50, 21), (40, 17), (30, 13), (20, 9), (10, 5))  # of the logging module; OTLP's


def extra_fields(record: logging.LogRecord) -> dict[str, object]:
    """What ``extra=`` gave; secrets by their name, and by their look, are covered."""
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {name: COVER if is_secret(name) else _clean(value) for name, value in given.items()}


class LogQueue(logging.Handler):
    """Takes each record, written down already, for a bounded while. dropped: those that had no place."""

    def __init__(self, limit: int = QUEUE) -> None:
        super().__init__()
        self._records: deque[bytes] = deque()
        self._limit = limit
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._records)

    def emit(self, record: logging.LogRecord) -> None:
        """The logging module's way in."""
        if len(self._records) < self._limit:
            self._records.append(_record(record))
        else:
            self.dropped += 1

    def take(self, most: int) -> list[bytes]:
        """The oldest."""
        take = self._records.popleft
        return [take() for _ in range(min(most, len(self._records)))]


def encode_logs(resource: bytes, records: Iterable[bytes]) -> bytes:
    """One request with all of them."""
    return block(1, resource + block(2, SCOPE + b"".join([block(2, record) for record in records])))


def _record(record: logging.LogRecord) -> bytes:
    severity = next((found for level, found in _SEVERITIES if record.levelno >= level), 1)
    values: dict[str, Value] = {"logger": record.name}
    values |= {name: value if isinstance(value, (str, int, float)) else str(value) for name, value in _shown(record)}
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        values["exception.type"] = type(error).__qualname__
        values["exception.stacktrace"] = traceback_of(error)
    at = int(record.created * 1e9)
    found = fixed64(1, at) + fixed64(11, at) + number(2, severity) + text(3, record.levelname)
    found += block(5, any_value(redacted(record.getMessage()))) + attributes(6, values)
    span = current_span.get()
    if span is None:
        return found
    return found + block(9, bytes.fromhex(span.trace.id)) + block(10, span.id.to_bytes(8, "big"))


def _shown(record: logging.LogRecord) -> Iterable[tuple[str, object]]:
    return extra_fields(record).items()


def _clean(value: object) -> object:
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < SHORTEST_CARD):
        return value
    covered = redacted(value if isinstance(value, str) else str(value))
    return value if isinstance(value, int) and covered == str(value) else covered
