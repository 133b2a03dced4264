"""Failed attempts in PostgreSQL, so that all instances count together."""

from __future__ import annotations

from datetime import UTC, datetime

from atoll.data import Database
from shop_auth.throttle import Failures


class AttemptTable:
    """Counts in the table ``failed_attempts``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def failures(self, keys: list[str]) -> dict[str, Failures]:
        """By key; keys without failures are missing."""
        async with self._database.work() as work:
            rows = await work.fetch("SELECT key, failures, last_at FROM failed_attempts WHERE key = ANY($1)", keys)
        return {row["key"]: Failures(row["failures"], row["last_at"].timestamp()) for row in rows}

    async def add(self, keys: list[str], now: float, window: float) -> None:
        """One more failure for each; in the order of the keys, so that two instances never wait for each other."""
        async with self._database.work() as work:
            await work.execute(
                "INSERT INTO failed_attempts AS f (key, failures, last_at)"
                " SELECT key, 1, $2::timestamptz FROM unnest($1::text[]) AS key ORDER BY key"
                " ON CONFLICT (key) DO UPDATE SET last_at = $2, failures = CASE"
                " WHEN f.last_at < $2 - make_interval(secs => $3::double precision) THEN 1 ELSE f.failures + 1 END",
                keys,
                datetime.fromtimestamp(now, UTC),
                window,
            )

    async def clear(self, key: str) -> None:
        """Forgets the failures."""
        async with self._database.work() as work:
            await work.execute("DELETE FROM failed_attempts WHERE key = $1", key)

    async def forget(self, before: float) -> None:
        """Deletes what no longer counts."""
        async with self._database.work() as work:
            await work.execute("DELETE FROM failed_attempts WHERE last_at < $1", datetime.fromtimestamp(before, UTC))
