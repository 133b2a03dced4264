"""Dead letters: messages that exhausted their attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from atoll.data import Database


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be handled, and why."""

    id: int
    consumer: str
    message_id: str
    subject: str
    key: str
    body: bytes
    error: str
    stack: str
    attempts: int
    died_at: datetime


class DeadLetters:
    """What a person does with them."""

    def __init__(self, database: Database) -> None:
        raise NotImplementedError

    async def list(self, *, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """The oldest first."""
        raise NotImplementedError

    async def redrive(self, *ids: int) -> int:
        """Gives them to their handlers again; how many."""
        raise NotImplementedError

    async def drop(self, *ids: int) -> int:
        """Deletes them; how many."""
        raise NotImplementedError
