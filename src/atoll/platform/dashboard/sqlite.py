"""The store: one SQLite file, written by one thread, read by any, and never larger than it may be.

SQLite was measured beside DuckDB with 200,000 spans in batches of 500: see docs/adr/.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atoll.platform.dashboard.rows import ERROR, Batch, Sample, Span
from atoll.platform.dashboard.series import SeriesBook

log = logging.getLogger("atoll.dashboard")

MOST_BYTES = 512 * 2**20
SLOWEST_QUERY = 10.0  # seconds, then it is interrupted
_LAYOUT = 1  # a file of another layout is replaced: telemetry is not worth a migration
_TRIMMED = 0.1  # the share that goes when the file is full
_MOST_ROUNDS = 50  # of trimming at once; what is left then goes the next time
_LOST = "the store %s is damaged (%s); it is begun anew, and what it held is lost"
_CHUNK = 20_000  # rows that one deletion takes, so that writing goes on in between

_TABLES = """
CREATE TABLE spans (
  id INTEGER PRIMARY KEY, trace BLOB NOT NULL, span BLOB NOT NULL, parent BLOB NOT NULL, service TEXT NOT NULL,
  instance TEXT NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL, start INTEGER NOT NULL, duration INTEGER NOT NULL,
  status INTEGER NOT NULL, message TEXT NOT NULL, attributes TEXT NOT NULL, events TEXT NOT NULL, links TEXT NOT NULL
);
CREATE UNIQUE INDEX spans_trace ON spans (trace, span);
CREATE INDEX spans_start ON spans (start);
CREATE TABLE traces (
  trace BLOB PRIMARY KEY, start INTEGER NOT NULL, finish INTEGER NOT NULL, spans INTEGER NOT NULL, errors INTEGER NOT NULL,
  rooted INTEGER NOT NULL, root_start INTEGER NOT NULL, root_service TEXT NOT NULL, root_name TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX traces_start ON traces (start);
CREATE TABLE trace_services (
  trace BLOB NOT NULL, service TEXT NOT NULL, spans INTEGER NOT NULL, errors INTEGER NOT NULL, PRIMARY KEY (trace, service)
) WITHOUT ROWID;
CREATE TABLE logs (
  id INTEGER PRIMARY KEY, time INTEGER NOT NULL, service TEXT NOT NULL, instance TEXT NOT NULL, level INTEGER NOT NULL,
  message TEXT NOT NULL, trace BLOB NOT NULL, span BLOB NOT NULL, attributes TEXT NOT NULL
);
CREATE INDEX logs_time ON logs (time);
CREATE INDEX logs_trace ON logs (trace) WHERE trace <> x'';
CREATE TABLE series (
  id INTEGER PRIMARY KEY, service TEXT NOT NULL, instance TEXT NOT NULL, name TEXT NOT NULL, labels TEXT NOT NULL,
  UNIQUE (name, service, instance, labels)
);
CREATE TABLE samples (
  series INTEGER NOT NULL, time INTEGER NOT NULL, value REAL NOT NULL, exemplar BLOB NOT NULL, PRIMARY KEY (series, time)
) WITHOUT ROWID;
"""
_SPAN = """INSERT OR IGNORE INTO spans (trace, span, parent, service, instance, name, kind, start, duration, status, message,
attributes, events, links) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_LOG = """INSERT INTO logs (time, service, instance, level, message, trace, span, attributes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
# The root is the span without a parent, or else the earliest that came.
_TRACE = """INSERT INTO traces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (trace) DO UPDATE SET
start = min(start, excluded.start), finish = max(finish, excluded.finish), spans = spans + excluded.spans,
errors = errors + excluded.errors, rooted = max(rooted, excluded.rooted),
(root_service, root_name, root_start) = (
  SELECT iif(better, excluded.root_service, root_service), iif(better, excluded.root_name, root_name),
    iif(better, excluded.root_start, root_start)
  FROM (SELECT (excluded.rooted, -excluded.root_start) > (rooted, -root_start) AS better)
)"""
_TRACE_SERVICE = """INSERT INTO trace_services VALUES (?, ?, ?, ?) ON CONFLICT (trace, service) DO UPDATE SET
spans = spans + excluded.spans, errors = errors + excluded.errors"""


class Reader:
    """Asks the file at ``path``, from any thread and while another process writes it; changes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._generation = 0  # of the file: one that was damaged is replaced

    def close(self) -> None:
        """Closes the file; nothing may be asked after."""
        with self._lock:
            for connection in self._opened:
                connection.close()

    def readable(self) -> bool:
        """Whether there is a file of this layout. sqlite3.Error where it cannot be opened."""
        return self.path.is_file() and self.rows("PRAGMA user_version")[0]["user_version"] == _LAYOUT

    def rows(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[dict[str, Any]]:
        """What the query finds, as dictionaries. sqlite3.OperationalError (interrupted) after SLOWEST_QUERY seconds."""
        connection = self._reader()
        until = time.monotonic() + SLOWEST_QUERY
        connection.set_progress_handler(lambda: int(time.monotonic() > until), 100_000)
        cursor = connection.execute(statement, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None or self._local.generation != self._generation:
            connection = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
            connection.execute("PRAGMA query_only = on")
            self._local.connection, self._local.generation = connection, self._generation
            with self._lock:
                self._opened.append(connection)
        return connection


class Store(Reader):
    """The file at ``path`` (its folder must exist). most: bytes that it may take; the oldest goes first.

    One that is damaged is replaced. sqlite3.Error or OSError where none can be made.
    """

    def __init__(self, path: Path, *, most: int = MOST_BYTES) -> None:
        super().__init__(path)
        self.most = most
        self._writer = self._open_writer()
        self._series = SeriesBook(self._writer)

    def close(self) -> None:
        """Closes the file; nothing may be asked after."""
        super().close()
        self._writer.close()

    # ---- writing, by one thread

    def write(self, batch: Batch) -> None:
        """Keeps the rows, all or none. A span that is there already changes nothing."""
        try:
            self._write(batch)
        except sqlite3.DatabaseError as error:
            if not _damaged(error):
                raise
            log.error(_LOST, self.path, error)
            self._renew()
            self._write(batch)

    def _write(self, batch: Batch) -> None:
        with self._transaction():
            if batch.spans:
                self._write_spans(batch.spans)
            if batch.logs:
                self._writer.executemany(_LOG, batch.logs)
            if batch.samples:
                self._write_samples(batch.samples)

    def trim(self) -> None:
        """Lets the oldest tenth go, again and again, until the file is no larger than it may be."""
        for _ in range(_MOST_ROUNDS):
            if self._used() <= self.most:
                return
            self._forget_a_tenth()

    def _forget_a_tenth(self) -> None:
        for table in ("spans", "logs"):
            first, last = self._writer.execute(f"SELECT min(id), max(id) FROM {table}").fetchone()  # noqa: S608 - constants
            if first is not None:
                self._delete_until(table, first, first + int((last - first + 1) * _TRIMMED) + 1)
        self._delete_orphans()
        first, last = self._writer.execute("SELECT min(time), max(time) FROM samples").fetchone()
        if first is not None:
            self._writer.execute("DELETE FROM samples WHERE time <= ?", (first + int((last - first) * _TRIMMED),))
        self._writer.execute("DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM samples WHERE series = series.id)")
        self._series.forget()
        self._writer.executescript("PRAGMA incremental_vacuum;")  # execute() would free one page of many
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def size(self) -> int:
        """Bytes that are in use."""
        return sum(path.stat().st_size for path in (self.path, _beside(self.path, "-wal")) if path.exists())

    # ---- the pieces

    def _open_writer(self) -> sqlite3.Connection:
        try:
            connection = _writable(self.path)
        except sqlite3.DatabaseError as error:
            if not _damaged(error):
                raise
            log.error(_LOST, self.path, error)
            return self._new_file()
        if connection.execute("PRAGMA user_version").fetchone()[0] == _LAYOUT:
            return connection
        connection.close()
        return self._new_file()

    def _new_file(self) -> sqlite3.Connection:
        for suffix in ("", "-wal", "-shm"):
            _beside(self.path, suffix).unlink(missing_ok=True)
        os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        connection = _writable(self.path)
        connection.executescript(f"{_TABLES} PRAGMA user_version = {_LAYOUT};")
        return connection

    def _renew(self) -> None:
        self._writer.close()
        self._writer = self._new_file()
        self._series = SeriesBook(self._writer)
        self._generation += 1

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._series.forget()
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
        self._writer.execute("COMMIT")

    def _write_spans(self, spans: Sequence[Span]) -> None:
        new = self._unseen(spans)
        self._writer.executemany(_SPAN, new)
        self._writer.executemany(_TRACE, list(_summaries(new)))
        self._writer.executemany(_TRACE_SERVICE, list(_by_service(new)))

    def _unseen(self, spans: Sequence[Span]) -> list[Span]:
        """A sender that got no answer sends again, so that what is there must not be counted twice."""
        unique = {(span.trace, span.span): span for span in spans}
        known = self._writer.execute
        statement = "SELECT 1 FROM spans WHERE trace = ? AND span = ?"
        return [span for key, span in unique.items() if known(statement, key).fetchone() is None]

    def _write_samples(self, samples: Sequence[Sample]) -> None:
        self._series.refresh()
        rows = []
        for sample in samples:
            if sample.value != sample.value:  # NaN says that there is no value, and SQLite takes it for NULL
                continue
            series = self._series.number(sample)
            if series is not None:
                rows.append((series, sample.time, sample.value, sample.exemplar))
        self._writer.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?)", rows)

    def _used(self) -> int:
        pages, free, size = (
            self._writer.execute(f"PRAGMA {what}").fetchone()[0]
            for what in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _delete_until(self, table: str, first: int, last: int) -> None:
        for start in range(first, last, _CHUNK):
            until = min(last, start + _CHUNK)
            self._writer.execute(f"DELETE FROM {table} WHERE id < ?", (until,))  # noqa: S608 - constants

    def _delete_orphans(self) -> None:
        for table in ("traces", "trace_services"):
            self._writer.execute(
                f"DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM spans WHERE spans.trace = {table}.trace)"  # noqa: S608
            )


def _writable(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last seconds of telemetry
    return connection


def _damaged(error: sqlite3.Error) -> bool:
    """Whether the file is no database, or no whole one."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _summaries(spans: Iterable[Span]) -> Iterator[tuple[object, ...]]:
    """A row of `traces` for each trace among the spans."""
    groups: dict[bytes, list[Span]] = {}
    for span in spans:
        groups.setdefault(span.trace, []).append(span)
    for trace, group in groups.items():
        root = min(group, key=lambda span: (bool(span.parent), span.start))
        start = min(span.start for span in group)
        finish = max(span.start + span.duration for span in group)
        errors = sum(span.status == ERROR for span in group)
        yield trace, start, finish, len(group), errors, int(not root.parent), root.start, root.service, root.name


def _by_service(spans: Iterable[Span]) -> Iterator[tuple[object, ...]]:
    counts: dict[tuple[bytes, str], list[int]] = {}
    for span in spans:
        count = counts.setdefault((span.trace, span.service), [0, 0])
        count[0] += 1
        count[1] += span.status == ERROR
    for (trace, service), (all_of_them, errors) in counts.items():
        yield trace, service, all_of_them, errors
