"""Signing keys in PostgreSQL, sealed."""

from __future__ import annotations

from datetime import UTC, datetime

from atoll.data import Database
from atoll.security import PrivateKey, SigningKey
from shop_auth.cryptography import KeySeal


class KeyTable:
    """Keeps keys in the table ``signing_keys``; their generation is the primary key, so that two instances collide on it."""

    def __init__(self, database: Database, seal: KeySeal) -> None:
        self._database = database
        self._seal = seal

    async def load(self) -> list[SigningKey]:
        """All of them. SealBroken if one was sealed with another secret."""
        async with self._database.work() as work:
            rows = await work.fetch("SELECT generation, kid, signs_from, sealed FROM signing_keys ORDER BY generation")
        return [
            SigningKey(
                row["generation"], row["signs_from"].timestamp(), PrivateKey(self._seal.open(row["sealed"], row["kid"]))
            )
            for row in rows
        ]

    async def add(self, key: SigningKey) -> None:
        """Stores the key, unless there is one of its generation."""
        async with self._database.work() as work:
            await work.execute(
                "INSERT INTO signing_keys (generation, kid, signs_from, sealed) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (generation) DO NOTHING",
                key.generation,
                key.kid,
                datetime.fromtimestamp(key.signs_from, UTC),
                self._seal.seal(key.key.text(), key.kid),
            )

    async def remove(self, generation: int) -> None:
        """Forgets the key."""
        async with self._database.work() as work:
            await work.execute("DELETE FROM signing_keys WHERE generation = $1", generation)
