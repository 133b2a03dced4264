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

from atoll.platform.dashboard.rows import Batch
from atoll.platform.dashboard.sqlite import Store

log = logging.getLogger("atoll.dashboard")

MOST_WAITING = 50_000  # rows; ten seconds of 5,000 a second
MOST_AT_ONCE = 5_000  # rows in one transaction
MOST_READ = 16  # requests at once, of 4 MiB each at the most
_NEARLY = 0.9  # full
_PATIENCE = 0.1  # seconds that rows may wait for company
_TRIM_EVERY = 5.0
_A_MOMENT = 10.0  # seconds between two lines about what is shed


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
        self._queue: deque[Batch] = deque()
        self._changed = threading.Condition()
        self._reading = self._refused = 0
        self._waiting = self._kept = self._shed = self._failed = 0
        self._writing = False
        self._stopping = False
        self._said_shed = self._shed_at = 0.0
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
        with self._changed:
            if self._waiting + batch.rows > self._most or self._stopping:
                self._shed += batch.rows
                self._say_shed()
                return False
            self._queue.append(batch)
            self._waiting += batch.rows
            self._changed.notify_all()
        return True

    @contextmanager
    def admitted(self) -> Iterator[bool]:
        """Around a request: whether there is room to read it at all. What is not read costs neither time nor memory."""
        with self._changed:
            room = self._reading < MOST_READ and self._waiting < self._most * _NEARLY
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
        while (batch := self._next()) is not None:
            if batch.rows:
                self._write(batch)
            if time.monotonic() - trimmed > _TRIM_EVERY:
                trimmed = time.monotonic()
                self._trim()

    def _next(self) -> Batch | None:
        """What is to be written now, at most MOST_AT_ONCE rows more or less; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping, timeout=_TRIM_EVERY)
            if not self._queue:
                return None if self._stopping else Batch()
            self._changed.wait_for(lambda: self._waiting >= MOST_AT_ONCE or self._stopping, timeout=_PATIENCE)
            taken: list[Batch] = []
            rows = 0
            while self._queue and rows < MOST_AT_ONCE:
                taken.append(self._queue.popleft())
                rows += taken[-1].rows
            self._waiting -= rows
            self._writing = True
        return Batch(
            tuple(span for batch in taken for span in batch.spans),
            tuple(record for batch in taken for record in batch.logs),
            tuple(sample for batch in taken for sample in batch.samples),
        )

    def _write(self, batch: Batch) -> None:
        failure: sqlite3.Error | None = None
        try:
            self._store.write(batch)
        except sqlite3.Error as error:  # a full disk: the system must not suffer, and the next batch may fit
            failure = error
        with self._changed:
            self._writing = False
            if failure is None:
                self._kept += batch.rows
            else:
                self._failed += batch.rows
            self._changed.notify_all()
        if failure is not None:
            log.error(
                "telemetry could not be stored (%s); %d rows are lost, the system is not affected", failure, batch.rows
            )

    def _trim(self) -> None:
        try:
            self._store.trim()
        except sqlite3.Error as error:
            log.error("the store of telemetry could not be trimmed: %s", error)
