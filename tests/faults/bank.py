"""What happens outside of the test system: a bank with a book of its own (SQLite), which Atoll's code never reads or writes.

It knows a key again, as banks do, and counts how often it was asked.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

_TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS asked (key TEXT, what TEXT);
CREATE TABLE IF NOT EXISTS effects (key TEXT PRIMARY KEY, what TEXT);
CREATE TABLE IF NOT EXISTS healed (name TEXT PRIMARY KEY);
"""


class Bank:
    """One book. what: ``refund order-7 120``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(self._open()) as book:
            book.executescript(_TABLES)

    def ask(self, key: str, what: str) -> int:
        """It takes effect unless the key is known; how often it was asked so far, with this time."""
        with closing(self._open()) as book, book:
            book.execute("INSERT INTO asked VALUES (?, ?)", (key, what))
            book.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", (key, what))
            (times,) = book.execute("SELECT count(*) FROM asked WHERE key = ?", (key,)).fetchone()
        return int(times)

    def effects(self) -> Counter[str]:
        """What took effect, and how often."""
        with closing(self._open()) as book:
            return Counter(what for (what,) in book.execute("SELECT what FROM effects"))

    def asked(self) -> int:
        """How often anybody asked for anything."""
        with closing(self._open()) as book:
            (times,) = book.execute("SELECT count(*) FROM asked").fetchone()
        return int(times)

    def heal(self, *order_ids: str) -> None:
        """From now on the orders are no poison."""
        with closing(self._open()) as book, book:
            book.executemany("INSERT OR IGNORE INTO healed VALUES (?)", [(order_id,) for order_id in order_ids])

    def is_healed(self, order_id: str) -> bool:
        """Whether it was healed."""
        with closing(self._open()) as book:
            return book.execute("SELECT 1 FROM healed WHERE name = ?", (order_id,)).fetchone() is not None

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=30)
