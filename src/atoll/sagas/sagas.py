"""`Sagas`: starting sagas, and what a person sees of them and does with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, TypeVar
from uuid import UUID

import msgspec

from atoll.contracts import Conflict, Event, NotFound
from atoll.data import Database, Row, Work
from atoll.sagas import starting
from atoll.sagas.definition import definition_of
from atoll.sagas.journal import LEFT_OVER, clean
from atoll.sagas.starting import Started
from atoll.sagas.steps import Saga
from atoll.sagas.views import COLUMNS, SagaCount, SagaDetail, SagaView, detail_of, view_of
from atoll.sagas.waking import CHANNEL

M = TypeVar("M")
SagaFunction = Callable[Concatenate[M, Saga, ...], Awaitable[None]]
OVERDUE = 60  # seconds behind its time after which a saga counts as stuck: no instance moves it
_STUCK = f"(status = 'parked' OR status = 'active' AND due < clock_timestamp() - interval '{OVERDUE} seconds')"
_LIST = f"""
SELECT {COLUMNS} FROM atoll.sagas
WHERE ($1 = '' OR name = $1) AND ($2 = '' OR status = $2) AND ($3 = '' OR key = $3) AND (NOT $4 OR {_STUCK})
  AND ($5::uuid IS NULL OR id < $5) ORDER BY id DESC LIMIT $6
"""  # noqa: S608 - constants
_SHOW = f"SELECT {COLUMNS} FROM atoll.sagas WHERE id = $1"  # noqa: S608 - constants
_STEPS = "SELECT * FROM atoll.saga_steps WHERE saga = $1 ORDER BY begun_at, name"
_EVENTS = "SELECT * FROM atoll.saga_events WHERE saga = $1 ORDER BY seq"
_COUNT = f"""
SELECT name, status, backward, count(*) AS number, count(*) FILTER (WHERE {_STUCK}) AS stuck FROM atoll.sagas
GROUP BY name, status, backward ORDER BY name, status, backward
"""  # noqa: S608 - constants
_LOCK = "SELECT * FROM atoll.sagas WHERE id = $1 FOR UPDATE"
_GO_ON = """
UPDATE atoll.sagas SET status = 'active', due = clock_timestamp(), stuck = NULL, trouble = NULL, version = version + 1,
  backward = $2, cause = coalesce($3, cause), moved_at = clock_timestamp() WHERE id = $1
"""
_AFRESH = """
UPDATE atoll.saga_steps SET due = NULL, begun_at = clock_timestamp()
WHERE saga = $1 AND state = 'trying' AND kind IN ('step', 'call', 'undo')
"""
_TRYING = "SELECT name, kind FROM atoll.saga_steps WHERE saga = $1 AND state = 'trying'"
_SKIP = """
UPDATE atoll.saga_steps SET state = 'skipped', result = $3, due = NULL, ended_at = clock_timestamp()
WHERE saga = $1 AND name = $2
"""


class Sagas:
    """The sagas of a service's database. Injected into handlers; `Sagas(database)` elsewhere.

    wake: told of the partition of a saga that moves with a commit (the service's `SagaRunner` gives it).
    """

    def __init__(self, database: Database, *, wake: Callable[[int | None], None] | None = None) -> None:
        self._database = database
        self._wake = wake

    async def start(self, work: Work, saga: SagaFunction[M], message: M) -> Started:
        """Starts a saga when ``work`` commits. There is one a business key: for a key that has one, nothing happens."""
        started = await starting.start(work, definition_of(saga), message)
        if started.new:
            self._after(work, started.partition)
        return started

    async def deliver(self, work: Work, saga: Callable[..., Any], event: Event) -> bool:
        """Hands the event to the saga of its key when ``work`` commits; False if there is none."""
        partition = await starting.deliver(work, definition_of(saga), event)
        if partition is not None:
            self._after(work, partition)
        return partition is not None

    async def list(
        self,
        *,
        name: str = "",
        key: str = "",
        status: str = "",
        stuck: bool = False,
        after: UUID | None = None,
        limit: int = 100,
    ) -> Sequence[SagaView]:
        """The newest first, from the one behind the id ``after``.

        status: active, parked, completed or compensated. stuck: only what is parked, or overdue by a minute.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST, name, status, key, stuck, after, limit)
        return [view_of(row) for row in rows]

    async def show(self, saga_id: UUID) -> SagaDetail:
        """One saga with its journal and its events. NotFound."""
        async with self._database.connection() as connection, connection.transaction(isolation="repeatable_read"):
            row = await connection.fetchrow(_SHOW, saga_id)
            if row is None:
                raise NotFound(f"there is no saga {saga_id}")
            return detail_of(row, await connection.fetch(_STEPS, saga_id), await connection.fetch(_EVENTS, saga_id))

    async def count(self) -> Sequence[SagaCount]:
        """How many there are, by name and state."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_COUNT)
        return [SagaCount(row["name"], row["status"], row["backward"], row["number"], row["stuck"]) for row in rows]

    async def retry(self, saga_id: UUID) -> None:
        """Tries again at once what failed, with all its time. NotFound; Conflict if it is over."""
        async with self._database.work() as work:
            row = await _open(work, saga_id)
            await work.execute(_AFRESH, saga_id)
            await work.execute(_GO_ON, saga_id, row["backward"], None)
        await self._told(row["partition"])

    async def skip(self, saga_id: UUID, *, step: str = "", result: str | None = None) -> str:
        """Goes on as if the step had completed, for a person has seen to it; the step's name.

        step: by default the one that is in the way. result: what it gives back, as JSON (needed for an awaited event).
        NotFound; Conflict if there is no such step under way.
        """
        if result is not None:
            _refuse_no_json(result)
        async with self._database.work() as work:
            row = await _open(work, saga_id)
            name = await _under_way(work, row, step, result)
            await work.execute(_SKIP, saga_id, name, result)
            await work.execute(_GO_ON, saga_id, row["backward"], None)
        await self._told(row["partition"])
        return name

    async def compensate(self, saga_id: UUID, *, why: str = "a person decided so") -> None:
        """Takes back what was done. NotFound; Conflict if it is over, or is being compensated already."""
        async with self._database.work() as work:
            row = await _open(work, saga_id)
            if row["backward"]:
                raise Conflict(f"saga {saga_id} is being compensated already; retry or skip what is in the way")
            await work.execute(_GO_ON, saga_id, True, clean(why))
            await work.execute(LEFT_OVER, saga_id)
        await self._told(row["partition"])

    def _after(self, work: Work, partition: int) -> None:
        wake = self._wake
        if wake is not None:
            work.on_commit(lambda: wake(partition))

    async def _told(self, partition: int) -> None:
        if self._wake is not None:
            self._wake(partition)
            return
        async with self._database.connection() as connection:
            await connection.execute(f"NOTIFY {CHANNEL}")


async def _open(work: Work, saga_id: UUID) -> Row:
    row = await work.fetchrow(_LOCK, saga_id)
    if row is None:
        raise NotFound(f"there is no saga {saga_id}")
    if row["status"] in ("completed", "compensated"):
        raise Conflict(f"saga {saga_id} is {row['status']}; there is nothing left to do")
    return row


async def _under_way(work: Work, row: Row, step: str, result: str | None) -> str:
    kinds = {one["name"]: one["kind"] for one in await work.fetch(_TRYING, row["id"])}
    name = step or row["stuck"] or (next(iter(kinds)) if len(kinds) == 1 else "")
    if name not in kinds:
        shown = ", ".join(sorted(kinds)) or "none"
        raise Conflict(f"saga {row['id']}: which step is to be skipped? under way are: {shown}")
    if kinds[name] == "wait" and result is None:
        raise Conflict(f"saga {row['id']}: {name!r} gives an event; give it as JSON to go on with")
    return name


def _refuse_no_json(text: str) -> None:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Conflict(f"the result is no JSON: {error}") from None
