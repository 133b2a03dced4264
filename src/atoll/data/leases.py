"""Leases: who of several instances does what, by session advisory locks."""

from __future__ import annotations

from atoll.data.database import Database


class Leases:
    """Locks that live as long as a dedicated connection does."""

    def __init__(self, database: Database) -> None:
        raise NotImplementedError
