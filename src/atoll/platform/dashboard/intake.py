"""Between those who send telemetry and the store: a bounded queue, a thread that writes, and a count of what was shed."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from atoll.platform.dashboard.rows import Batch, joined
from atoll.platform.dashboard.sqlite import Store

log = logging.getLogger("atoll.dashboard")

MOST_WAITING = 50_000  # rows; ten seconds of 5,000 a second
MOST_WEIGHT = 64 * 2**20  # bytes that they may take
MOST_AT_ONCE = 5_000  # rows in one transaction
_HEAVY = 16 * 2**20  # bytes in one transaction
MOST_READ = 16  # requests at once, of 4 MiB each at the most
_NEARLY = 0.9  # full
_PATIENCE = 0.1  # seconds that rows may wait for company
_TRIM_EVERY = 5.0
_TRIM_AFTER = 16  # so much of the store's size that was written, trim as well
_A_MOMENT = 10.0  # seconds between two lines about what is shed or lost


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows since the start. failed: the disk did not take them. refused: requests that were turned away unread.

    shedding: whether some was shed or refused a moment ago.
    """

    kept: int = 0
    shed: int = 0
    failed: int = 0
    waiting: int = 0
    refused: int = 0
    shedding: bool = False


class Intake:
    """Takes batches from any thread; writes them in larger ones from a thread of its own."""

    def __init__(self, store: Store, *, most: int = MOST_WAITING) -> None:
        self._store = store
        self._most = most
        self._queue: deque[tuple[Batch, int]] = deque()
        self._changed = threading.Condition()
        self._reading = self._refused = 0
        self._waiting = self._kept = self._shed = self._failed = 0
        self._writing = False
        self._stopping = False
        self._weight = self._written = 0  # bytes: of what waits, and of what was written since the last trimming
        self._said_shed = self._shed_at = self._said_failed = 0.0
        self._thread = threading.Thread(target=self._write_always, name="dashboard: store", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def stop(self) -> None:
        """Writes what waits, then ends."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def offer(self, batch: Batch) -> bool:
        """Takes the batch, or sheds it as a whole: false then. Never waits."""
        weight = batch.weight
        with self._changed:
            if self._waiting + batch.rows > self._most or self._weight + weight > MOST_WEIGHT or self._stopping:
                self._shed += batch.rows
                self._say_shed()
                return False
            self._queue.append((batch, weight))
            self._waiting += batch.rows
            self._weight += weight
            self._changed.notify_all()
        return True

    @contextmanager
    def admitted(self) -> Iterator[bool]:
        """Around a request: whether there is room to read it at all. What is not read costs neither time nor memory."""
        with self._changed:
            light = self._waiting < self._most * _NEARLY and self._weight < MOST_WEIGHT * _NEARLY
            room = self._reading < MOST_READ and light
            self._reading += room
            if not room:
                self._refused += 1
                self._say_shed()
        try:
            yield room
        finally:
            with self._changed:
                self._reading -= room

    def settle(self) -> None:
        """Returns when all that was offered before is in the store, or was given up."""
        with self._changed:
            self._changed.wait_for(lambda: not self._queue and not self._writing)

    def counts(self) -> Counts:
        """What became of the rows so far."""
        with self._changed:
            shedding = bool(self._shed_at) and time.monotonic() - self._shed_at < _A_MOMENT
            return Counts(self._kept, self._shed, self._failed, self._waiting, self._refused, shedding)

    def _say_shed(self) -> None:
        self._shed_at = now = time.monotonic()
        if not self._said_shed or now - self._said_shed > _A_MOMENT:
            self._said_shed = now
            line = "telemetry comes faster than it can be stored; shed so far: %d rows, and %d requests unread"
            log.warning(line, self._shed, self._refused)

    def _write_always(self) -> None:
        trimmed = time.monotonic()
        while (batches := self._next()) is not None:
            if batches:
                self._write(batches)
            if time.monotonic() - trimmed > _TRIM_EVERY or self._written > self._store.most // _TRIM_AFTER:
                trimmed, self._written = time.monotonic(), 0
                self._trim()

    def _next(self) -> list[Batch] | None:
        """What is to be written now, at most MOST_AT_ONCE rows more or less; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping, timeout=_TRIM_EVERY)
            if not self._queue:
                return None if self._stopping else []
            self._changed.wait_for(lambda: self._waiting >= MOST_AT_ONCE or self._stopping, timeout=_PATIENCE)
            taken: list[Batch] = []
            rows = heavy = 0
            while self._queue and rows < MOST_AT_ONCE and heavy < _HEAVY:
                batch, weight = self._queue.popleft()
                taken.append(batch)
                rows += batch.rows
                heavy += weight
            self._waiting -= rows
            self._weight -= heavy
            self._written += heavy
            self._writing = True
        return taken

    def _write(self, batches: list[Batch]) -> None:
        rows = sum(batch.rows for batch in batches)
        kept = self._stored(batches)
        with self._changed:
            self._writing = False
            self._kept += kept
            self._failed += rows - kept
            self._changed.notify_all()

    def _stored(self, batches: list[Batch]) -> int:
        """How many rows of them the store took. What one sender sent, and cannot be stored, costs no other sender's rows."""
        whole = joined(batches)
        try:
            self._store.write(whole)
            return whole.rows
        except sqlite3.OperationalError as error:  # a full disk: the system must not suffer, and the next batch may fit
            self._say_failed(error, whole.rows)
        except Exception as error:  # an odd row, whatever is odd about it, must not end the thread that writes
            if len(batches) > 1:
                return sum(self._stored([batch]) for batch in batches)
            self._say_failed(error, whole.rows)
        return 0

    def _say_failed(self, error: Exception, rows: int) -> None:
        now = time.monotonic()
        if not self._said_failed or now - self._said_failed > _A_MOMENT:
            self._said_failed = now
            log.error("telemetry could not be stored (%s); %d rows are lost, the system is not affected", error, rows)

    def _trim(self) -> None:
        try:
            self._store.trim()
        except sqlite3.Error as error:
            log.error("the store of telemetry could not be trimmed: %s", error)
