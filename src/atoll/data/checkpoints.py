"""How far projections are: their rows in ``atoll.projections``, seen from inside and from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from atoll.contracts import NotFound
from atoll.data.event_order import Position
from atoll.data.postgres import Connection

if TYPE_CHECKING:
    from atoll.data.database import Database

CHANNEL = "atoll_events"  # notified when events were appended, and when a rebuild is asked for
MOST_COUNTED = 100_000  # events; a projection that is further behind is so far behind, and counting on would take long

_STATUS = f"""
SELECT p.name, p.fence, p.position, p.trouble, p.rebuild_asked, b.fence AS build_fence, b.position AS build_position,
       b.trouble AS build_trouble, l.behind, l.lag
FROM atoll.projections p LEFT JOIN atoll.projections b ON b.name = p.name AND b.building, LATERAL (
  SELECT count(*) AS behind, coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0)::float8 AS lag FROM (
    SELECT recorded_at FROM atoll.events WHERE (fence, position) > (p.fence, p.position)
    ORDER BY fence, position LIMIT {MOST_COUNTED}
  ) waiting
) l WHERE NOT p.building ORDER BY p.name
"""  # noqa: S608 - constants
_ENSURE = "INSERT INTO atoll.projections (name, building) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_READ = "SELECT fence, position, rebuild_asked FROM atoll.projections WHERE name = $1 AND building = $2"
_HEALTH = """
SELECT coalesce(p.trouble, '') AS trouble, (
  SELECT extract(epoch FROM clock_timestamp() - e.recorded_at)::float8 FROM atoll.events e
  WHERE (e.fence, e.position) > (p.fence, p.position) ORDER BY e.fence, e.position LIMIT 1
) AS lag FROM atoll.projections p WHERE p.name = $1 AND NOT p.building
"""
_MOVE = """
INSERT INTO atoll.projections (name, building, fence, position) VALUES ($1, $2, $3, $4)
ON CONFLICT (name, building) DO UPDATE SET fence = excluded.fence, position = excluded.position, trouble = NULL,
moved_at = clock_timestamp()
"""


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """behind: events that it has not passed (100,000 at the most are counted). lag: seconds that the oldest of them waits.

    building: how far the table that will replace the read model is, if it is being rebuilt. trouble: why it does not move.
    """

    name: str
    position: Position
    behind: int
    lag: float
    building: Position | None
    rebuild_asked: bool
    trouble: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One row: of the read model, or of the one that is being built. Its writes belong to the read model's transaction."""

    name: str
    building: bool = False

    async def ensure(self, connection: Connection) -> None:
        """Makes the row, at the start of the order, if it is not there."""
        await connection.execute(_ENSURE, self.name, self.building)

    async def read(self, connection: Connection, *, lock: bool = False) -> Position:
        """Where it is. lock: nobody else moves it until the transaction ends."""
        row = await connection.fetchrow(_READ + " FOR UPDATE" if lock else _READ, self.name, self.building)
        return Position.START if row is None else Position(row["fence"], row["position"])

    async def rebuild_asked(self, connection: Connection) -> bool:
        """Whether somebody asked for a rebuild."""
        row = await connection.fetchrow(_READ, self.name, self.building)
        return row is not None and row["rebuild_asked"]

    async def move(self, connection: Connection, upto: Position) -> None:
        """Remembers what is projected."""
        await connection.execute(_MOVE, self.name, self.building, upto.fence, upto.number)

    async def tell(self, connection: Connection, trouble: str) -> None:
        """Says why it does not move, and that a rebuild which was asked for is given up."""
        statement = "UPDATE atoll.projections SET trouble = $3 WHERE name = $1 AND building = $2"
        await connection.execute(statement, self.name, self.building, trouble.replace("\0", "\\0")[:2_000])

    async def health(self, connection: Connection) -> str:
        """How many seconds it is behind and what stops it, in a line; empty if there is nothing to say."""
        row = await connection.fetchrow(_HEALTH, self.name)
        if row is None:
            return "it has never run"
        behind = "" if row["lag"] is None else f"{max(row['lag'], 0.0):.1f} s behind"
        return "; ".join(text for text in (behind, row["trouble"]) if text)

    async def settle_rebuild(self, connection: Connection) -> None:
        """A rebuild that was asked for is no longer asked for."""
        statement = "UPDATE atoll.projections SET rebuild_asked = false WHERE name = $1 AND NOT building"
        await connection.execute(statement, self.name)

    async def remove(self, connection: Connection) -> None:
        """Deletes the row."""
        await connection.execute(
            "DELETE FROM atoll.projections WHERE name = $1 AND building = $2", self.name, self.building
        )


async def list_projections(database: Database) -> list[ProjectionStatus]:
    """All projections that have run on this database."""
    async with database.connection() as connection:
        rows = await connection.fetch(_STATUS)
    return [
        ProjectionStatus(
            row["name"],
            Position(row["fence"], row["position"]),
            row["behind"],
            row["lag"],
            None if row["build_fence"] is None else Position(row["build_fence"], row["build_position"]),
            row["rebuild_asked"],
            row["trouble"] or row["build_trouble"] or "",
        )
        for row in rows
    ]


async def ask_rebuild(database: Database, name: str) -> None:
    """Asks whichever instance runs the projection to rebuild it; returns at once. NotFound if there is no such projection."""
    async with database.connection() as connection:
        statement = "UPDATE atoll.projections SET rebuild_asked = true WHERE name = $1 AND NOT building"
        if await connection.execute(statement, name) == "UPDATE 0":
            rows = await connection.fetch("SELECT name FROM atoll.projections WHERE NOT building ORDER BY name")
            known = ", ".join(row["name"] for row in rows) or "none has run yet"
            raise NotFound(f"there is no projection {name[:60]!r}; there are: {known}")
        await connection.execute(f"NOTIFY {CHANNEL}")
