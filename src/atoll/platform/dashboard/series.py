"""Which series of metrics the store knows, in memory: a sample is written with its series' number."""

from __future__ import annotations

import logging
import sqlite3

from atoll.platform.dashboard.rows import Sample

log = logging.getLogger("atoll.dashboard")

MOST_SERIES = 100_000  # a label with a request's id in it must not fill the disk
MOST_LABELS = 2_000  # characters of all labels of one series
Key = tuple[str, str, str, str]
_INSERT = """INSERT INTO series (name, service, instance, labels) VALUES (?, ?, ?, ?)
ON CONFLICT (name, service, instance, labels) DO UPDATE SET name = excluded.name RETURNING id"""


class SeriesBook:
    """The series in the file that ``writer`` has open. Ask inside of a transaction, after `refresh`."""

    def __init__(self, writer: sqlite3.Connection) -> None:
        self._writer = writer
        self._numbers: dict[Key, int] = {}
        self._version = -1
        self._said = False

    def __len__(self) -> int:
        return len(self._numbers)

    def forget(self) -> None:
        """What is in memory is no longer what is in the file: a transaction was rolled back, or series were deleted."""
        self._version = -1

    def refresh(self) -> None:
        """Reads them anew if they were forgotten, or another process has written."""
        (version,) = self._writer.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            rows = self._writer.execute("SELECT name, service, instance, labels, id FROM series")
            self._numbers = {(name, service, instance, labels): id_ for name, service, instance, labels, id_ in rows}
            self._version = version

    def number(self, sample: Sample) -> int | None:
        """Of the sample's series, which is made if there is none; None if there is no room for it, which is said once."""
        key = (sample.name, sample.service, sample.instance, sample.labels)
        found = self._numbers.get(key)
        if found is None:
            if len(self._numbers) >= MOST_SERIES or len(sample.labels) > MOST_LABELS:
                self._say(sample)
                return None
            (found,) = self._writer.execute(_INSERT, key).fetchone()
            self._numbers[key] = int(found)
        return found

    def _say(self, sample: Sample) -> None:
        if not self._said:
            self._said = True
            line = "metrics are not stored: there are %d series, or one's labels are too long (%s of %s): look for ids in labels"
            log.warning(line, len(self._numbers), sample.name[:100], sample.service[:100])
