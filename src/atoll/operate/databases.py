"""`Databases`: those of all services, opened for a question and closed after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from atoll.contracts import NotFound, Unavailable
from atoll.data import Database
from atoll.data.database import CLOSED_WITHIN
from atoll.data.leases import close
from atoll.data.postgres import DRIVER_ERRORS, one_line

T = TypeVar("T")
_LOST: tuple[type[Exception], ...] = (*DRIVER_ERRORS, Unavailable)
_AWAY: tuple[type[Exception], ...] = (*_LOST, ValueError)


class DatabaseAway(Exception):
    """A service's database does not answer, or holds nothing of atoll's; one line."""


class Databases:
    """urls: service -> the URL of its database. Nothing is opened before it is asked."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.urls = dict(urls)

    @asynccontextmanager
    async def of(self, service: str) -> AsyncIterator[Database]:
        """One service's database. NotFound for a service that has none; DatabaseAway."""
        if service not in self.urls:
            known = ", ".join(self.urls) or "none"
            raise NotFound(f"{service!r} is no service with a database; there are: {known}")
        try:
            database = Database(self.urls[service], service=service, source="atoll operator", min_size=0, max_size=2)
            await _require_tables(database, service)
            await database.start()
        except _AWAY as error:
            raise _away(service, error) from None
        try:
            yield database
        except _LOST as error:
            raise _away(service, error) from None
        finally:
            await database.stop(CLOSED_WITHIN)

    async def ask(self, question: Callable[[str, Database], Awaitable[T]], service: str = "") -> dict[str, T]:
        """The answer of each service, or of one; all at once. DatabaseAway for the first one that does not answer."""
        names = [service] if service else list(self.urls)
        answers = await asyncio.gather(*(self._answer(name, question) for name in names))
        return dict(zip(names, answers, strict=True))

    async def try_asking(
        self, question: Callable[[str, Database], Awaitable[T]], *, within: float
    ) -> dict[str, T | DatabaseAway]:
        """The same, and for a service that does not answer within these seconds why not."""

        async def bounded(service: str) -> T | DatabaseAway:
            try:
                async with asyncio.timeout(within):
                    return await self._answer(service, question)
            except DatabaseAway as error:
                return error
            except TimeoutError:
                return DatabaseAway(f"the database of {service} does not answer within {within:g} s")

        names = list(self.urls)
        return dict(zip(names, await asyncio.gather(*map(bounded, names)), strict=True))

    async def _answer(self, service: str, question: Callable[[str, Database], Awaitable[T]]) -> T:
        async with self.of(service) as database:
            return await question(service, database)


async def _require_tables(database: Database, service: str) -> None:
    """On a connection of its own, which fails at once where a pool would wait."""
    connection = await database.dedicated()
    try:
        found = await connection.fetchval("SELECT to_regclass('atoll.outbox') IS NOT NULL")
    finally:
        await close(connection)
    if not found:
        raise DatabaseAway(
            f"the database of {service} has no tables of atoll's; bring it up to date with 'atoll migrate'"
        )


def _away(service: str, error: BaseException) -> DatabaseAway:
    return DatabaseAway(f"the database of {service} does not serve: {one_line(error)}")
