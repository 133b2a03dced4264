"""Publishing again from a service's outbox, for a broker that has lost what it had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from atoll.data import Outbox
from atoll.operate.databases import Databases


@dataclass(frozen=True, slots=True)
class Republished:
    """events: how many were put into the outbox again."""

    service: str
    events: int


async def republish(
    databases: Databases, service: str, since: datetime, until: datetime, *, subject: str = ""
) -> Republished:
    """Publishes again what the service wrote from ``since`` until before ``until``, as far as the outbox keeps it (3 days).

    subject: only events of it. The events keep their ids, so that consumers which handled them know them.
    """
    async with databases.of(service) as database:
        return Republished(service, await Outbox(database).redrive(since, until, subject=subject))
