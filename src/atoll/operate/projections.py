"""Projections of all services: how far they are, and making their read models anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from atoll.data import Database, Position, ProjectionStatus, ask_rebuild, list_projections
from atoll.operate.databases import Databases

LIVE_WITHIN = 2.0  # seconds; a projection looks at least once a second
LOOK_EVERY = 0.2  # seconds
_REACHED = """
SELECT (SELECT count(*) FROM atoll.events WHERE (fence, position) <= ($1::xid8, $2::bigint)) AS done,
       (SELECT count(*) FROM atoll.events) AS events
"""


class RebuildFailed(Exception):
    """The rebuild was given up, and the old read model stays; one line why."""


@dataclass(frozen=True, slots=True)
class ProjectionView:
    """A projection and whose it is."""

    service: str
    status: ProjectionStatus

    @property
    def state(self) -> str:
        """``live``, ``catching up``, ``rebuilding`` or ``stuck``. A rebuild that failed is trouble, and the old one lives on."""
        if self.status.rebuild_asked:
            return "rebuilding"
        if self.status.behind == 0 or self.status.lag < LIVE_WITHIN:
            return "live"
        return "stuck" if self.status.trouble else "catching up"


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """How far a rebuild is. begun: whether an instance of the service has taken it up. done, events: of how many."""

    begun: bool
    done: int
    events: int


async def list_projection_views(databases: Databases, service: str = "") -> list[ProjectionView]:
    """All that have ever run, by service and name."""

    async def read(owner: str, database: Database) -> list[ProjectionView]:
        return [ProjectionView(owner, status) for status in await list_projections(database)]

    found = await databases.ask(read, service)
    return [one for some in found.values() for one in some]


async def request_rebuild(databases: Databases, service: str, name: str) -> None:
    """Asks the instance that runs it. NotFound if the service has no such projection."""
    async with databases.of(service) as database:
        await ask_rebuild(database, name)


async def follow_rebuild(databases: Databases, service: str, name: str) -> AsyncIterator[Rebuilding]:
    """How far it is, five times a second, until it is done. RebuildFailed if it was given up."""
    async with databases.of(service) as database:
        while True:
            status = next(one for one in await list_projections(database) if one.name == name)
            if not status.rebuild_asked:
                if status.trouble:
                    raise RebuildFailed(f"{service} {name}: {status.trouble}")
                return
            begun = status.building is not None
            yield await _reached(database, status.building or Position.START, begun=begun)
            await asyncio.sleep(LOOK_EVERY)


async def _reached(database: Database, at: Position, *, begun: bool) -> Rebuilding:
    async with database.connection() as connection:
        (row,) = await connection.fetch(_REACHED, at.fence, at.number)
    return Rebuilding(begun, row["done"], row["events"])
