"""The figures of each service that say whether its events flow: cheap, bounded in time, unknown where a database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from atoll.data import Database, Outbox, list_projections
from atoll.messaging import Broker, DeadLetters
from atoll.messaging.broker import BrokerUnavailable
from atoll.operate.databases import DatabaseAway, Databases
from atoll.operate.projections import ProjectionView
from atoll.sagas import Sagas

WITHIN = 2.0  # seconds for all answers of a database


@dataclass(frozen=True, slots=True)
class Figures:
    """outbox: events that wait to be published. outbox_lag: seconds that the oldest of them waits.

    parked: messages that are tried again by themselves. dead: those that wait for a person. sagas_stuck: parked or overdue.
    """

    outbox: int
    outbox_lag: float
    parked: int
    dead: int
    projections: Sequence[ProjectionView]
    sagas_stuck: int


async def figures(databases: Databases, *, within: float = WITHIN) -> dict[str, Figures | DatabaseAway]:
    """By service; why it is not known where it is not."""
    return await databases.try_asking(_of, within=within)


async def backlogs(broker: Broker, services: Iterable[str], *, within: float = WITHIN) -> dict[str, int | None]:
    """Messages that each service's consumers have not handled; None where the broker is away or does not tell."""
    names = list(services)
    try:
        async with asyncio.timeout(within):
            return {name: await broker.backlog(name) for name in names}
    except (TimeoutError, BrokerUnavailable):
        return dict.fromkeys(names)


async def _of(service: str, database: Database) -> Figures:
    outbox = await Outbox(database).status()
    troubled = await DeadLetters(database).count()
    projections = [ProjectionView(service, status) for status in await list_projections(database)]
    stuck = sum(one.stuck for one in await Sagas(database).count())
    return Figures(outbox.pending, outbox.lag, troubled.parked, troubled.dead, projections, stuck)
