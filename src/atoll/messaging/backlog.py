"""How many messages of a consumer group are parked or dead."""

from __future__ import annotations

from dataclasses import dataclass

from atoll.data import Connection

_COUNT = """
SELECT (SELECT count(*) FROM atoll.parked WHERE consumer = $1) AS parked,
       (SELECT count(*) FROM atoll.dead_letters WHERE consumer = $1) AS dead
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """parked: tried again later, or behind one that is. dead: wait for a person."""

    parked: int
    dead: int


async def backlog(connection: Connection, group: str) -> Backlog:
    """The numbers of now."""
    (row,) = await connection.fetch(_COUNT, group)
    return Backlog(row["parked"], row["dead"])
