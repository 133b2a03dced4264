"""The outbox: events that committed and wait to be published."""

from __future__ import annotations

from dataclasses import dataclass

from atoll.data.database import Database


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """pending: events not published yet. lag: seconds that the oldest of them has waited."""

    pending: int
    lag: float


class Outbox:
    """The reading side of the outbox."""

    def __init__(self, database: Database) -> None:
        raise NotImplementedError

    async def status(self) -> OutboxStatus:
        """How much waits, and for how long."""
        raise NotImplementedError
