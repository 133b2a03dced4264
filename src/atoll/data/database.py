"""`Database`: the service's own PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager

from atoll.contracts import Event
from atoll.data.postgres import Connection
from atoll.data.work import Work


class Database:
    """A pool of connections to the service's own database; a `Component`.

    url: ``postgresql://role:password@host:port/dbname``. source: what PostgreSQL shows as application_name (default: the
    service). publishes: if given, the only events that units of work may publish.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        source: str = "",
        min_size: int = 1,
        max_size: int = 10,
        publishes: Collection[type[Event]] | None = None,
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Returns at once; connects in the background, for ever."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Closes the connections once they are given back."""
        raise NotImplementedError

    async def check(self) -> None:
        """Raises if the database does not answer."""
        raise NotImplementedError

    def work(self) -> AbstractAsyncContextManager[Work]:
        """A unit of work: commits at a clean exit, rolls back on an exception."""
        raise NotImplementedError

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection outside of any transaction: each statement commits by itself."""
        raise NotImplementedError

    def on_outbox(self, wake: Callable[[], None]) -> None:
        """Calls ``wake`` after each commit that put events into the outbox."""
        raise NotImplementedError
