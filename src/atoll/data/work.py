"""`Work`: one database transaction, with the events that commit with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from atoll.contracts import Event
from atoll.data.postgres import Row


class Work:
    """A unit of work. Injected into handlers by its type."""

    async def execute(self, statement: str, *arguments: Any) -> str:
        """Runs the statement; PostgreSQL's status, ``UPDATE 1``."""
        raise NotImplementedError

    async def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs the statement once for each row of arguments."""
        raise NotImplementedError

    async def fetch(self, statement: str, *arguments: Any) -> list[Row]:
        """All rows."""
        raise NotImplementedError

    async def fetchrow(self, statement: str, *arguments: Any) -> Row | None:
        """The first row, if any."""
        raise NotImplementedError

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """The first column of the first row; None if there is none."""
        raise NotImplementedError

    async def publish(self, event: Event, *, headers: Mapping[str, str] | None = None) -> None:
        """Puts the event into the outbox, which commits with this work."""
        raise NotImplementedError

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Calls back after the commit."""
        raise NotImplementedError
