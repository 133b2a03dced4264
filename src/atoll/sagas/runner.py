"""`SagaRunner`: moves the service's sagas on, each in one instance at a time, from process start to stop."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from atoll.contracts import Event, Unavailable
from atoll.data import Database, Weight, Work
from atoll.data.backoff import Backoff
from atoll.data.partitions import Partitions
from atoll.data.postgres import DRIVER_ERRORS, one_line
from atoll.sagas import starting
from atoll.sagas.advancing import Advancing
from atoll.sagas.binding import bind
from atoll.sagas.definition import Definition, definition_of
from atoll.sagas.failures import CHANGED
from atoll.sagas.sagas import Sagas
from atoll.sagas.waking import Waking
from atoll.service import Handler, Request
from atoll.service.lifecycle import end

log = logging.getLogger("atoll.sagas")

LOOK_EVERY = 1.0  # seconds between two looks at the most; the safety net, should a wake-up get lost
AT_ONCE = 32  # sagas on the move at once in this instance
TRANSACTIONS = 4  # of them, with a transaction open: the pool's default is 10, and requests need the rest
STOP_WITHIN = 5.0  # seconds for the steps that are being taken when a partition is given up
_DUE = """
SELECT id, name, partition, extract(epoch FROM due - clock_timestamp())::float8 AS wait FROM atoll.sagas
WHERE status = 'active' AND due IS NOT NULL AND partition = ANY($1) AND name = ANY($2) AND id <> ALL($3)
ORDER BY due LIMIT $4
"""
_ANOTHER_TRY = """
UPDATE atoll.sagas SET status = 'active', due = clock_timestamp(), stuck = NULL, trouble = NULL, version = version + 1
WHERE status = 'parked' AND name = ANY($1) AND starts_with(trouble, $2) AND partition = ANY($3)
"""
_AWAY: tuple[type[Exception], ...] = (*DRIVER_ERRORS, Unavailable)


class SagaRunner:
    """Runs the sagas of a service; a `Component`.

    sagas: functions marked with @saga. provided: what they are injected, by type. TypeError names what cannot be.
    service: its name; its instances share the sagas, and the others take over at once when one dies. weight: this one's part.
    """

    def __init__(
        self,
        database: Database,
        sagas: Iterable[Callable[..., Any]],
        *,
        service: str,
        provided: Mapping[type, Any] | None = None,
        at_once: int = AT_ONCE,
        weight: Weight | None = None,
    ) -> None:
        self._database = database
        self._definitions = _by_name(sagas)
        self._wake = asyncio.Event()
        self._waking = Waking(database, self._wake.set)
        self.sagas = Sagas(database, wake=self._on_commit)
        given = {Sagas: self.sagas, **(provided or {})}
        limit = asyncio.Semaphore(TRANSACTIONS)
        self._advancing = {
            definition.name: Advancing(database, definition, bind(definition, given), limit)
            for definition in self._definitions.values()
        }
        self._at_once = at_once
        self._running: dict[UUID, tuple[int, asyncio.Task[None]]] = {}
        self._mine: set[int] = set()
        self._fresh: set[int] = set()  # those of them that may hold what another release left
        self._task: asyncio.Task[None] | None = None
        self._partitions = Partitions(
            database, f"sagas:{service}", starting.PARTITIONS,
            taken=self._taken, released=self._released, lost=self._lost, weight=weight,
        )  # fmt: skip

    def handlers(self) -> dict[type[Event], Handler]:
        """The handler of each event that starts a saga or that one waits for; it finds its `Work` in the request's scope."""
        found: dict[type[Event], list[Definition]] = {}
        for definition in self._definitions.values():
            started = () if definition.starts_by is None else (definition.starts_by,)
            for event in dict.fromkeys((*started, *definition.awaits)):
                found.setdefault(event, []).append(definition)
        return {event: self._handler(definitions) for event, definitions in found.items()}

    async def start(self) -> None:
        """Begins, without waiting for the database: what was under way when the last process ended goes on now."""
        await self._waking.start()
        await self._partitions.start()
        self._task = asyncio.create_task(self._run(), name="sagas")

    async def stop(self) -> None:
        """Stops after the steps that are being taken; the rest goes on elsewhere, or at the next start."""
        task, self._task = self._task, None
        try:
            await end(task)
            await self._partitions.stop()
        except asyncio.CancelledError:
            self._partitions.leave()
            raise
        finally:
            await self._waking.stop()

    def _handler(self, definitions: list[Definition]) -> Handler:
        async def handle(request: Request) -> None:
            work: Work = request.scope[Work]
            event = request.message
            for definition in definitions:
                if definition.starts_by is type(event):
                    await self.sagas.start(work, definition.function, event)
                if type(event) in definition.awaits:
                    await self.sagas.deliver(work, definition.function, event)

        return handle

    def _on_commit(self, partition: int | None) -> None:
        self._wake.set()
        if partition is None or partition not in self._mine:
            self._waking.tell()

    def _taken(self, partition: int) -> None:
        self._mine.add(partition)
        self._fresh.add(partition)
        self._wake.set()

    async def _released(self, partition: int) -> None:
        self._mine.discard(partition)
        self._fresh.discard(partition)
        await self._end([task for at, task in self._running.values() if at == partition], STOP_WITHIN)

    async def _lost(self) -> None:
        self._mine.clear()
        await self._end([task for _, task in self._running.values()], STOP_WITHIN if self._task is None else 0.0)

    async def _end(self, tasks: list[asyncio.Task[None]], within: float) -> None:
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, timeout=within)
        finally:
            await end(*(task for task in tasks if not task.done()))

    async def _run(self) -> None:
        backoff = Backoff(first=0.05, most=2.0)
        while True:
            try:
                if self._fresh:
                    await self._try_changed_again()
                wait = await self._look()
                backoff.reset()
            except _AWAY as error:
                log.info("sagas wait, the database is away: %s", one_line(error))
                wait = backoff.next()
            await self._pause(wait)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _try_changed_again(self) -> None:
        """This release may fit the journals that another one could not read, and left in the partitions that it gave up."""
        fresh = frozenset(self._fresh)
        async with self._database.work() as work:
            await work.execute(_ANOTHER_TRY, list(self._definitions), CHANGED, list(fresh))
        self._fresh -= fresh

    async def _look(self) -> float:
        """Begins what is due; seconds until the next look."""
        self._wake.clear()
        free = self._at_once - len(self._running)
        if not self._mine or free <= 0:
            return LOOK_EVERY
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _DUE, list(self._mine), list(self._definitions), list(self._running), free + 1
            )
        for row in rows:
            if row["wait"] <= 0 and row["partition"] in self._mine and len(self._running) < self._at_once:
                self._begin(row["id"], row["name"], row["partition"])
        later: list[float] = [row["wait"] for row in rows if row["wait"] > 0]
        return min([LOOK_EVERY * random.uniform(0.7, 1.0), *later])

    def _begin(self, saga_id: UUID, name: str, partition: int) -> None:
        task = asyncio.create_task(self._advance(saga_id, name), name=f"saga {name} {saga_id}")
        self._running[saga_id] = partition, task

    async def _advance(self, saga_id: UUID, name: str) -> None:
        try:
            await self._advancing[name](saga_id)
        except _AWAY as error:
            log.info("saga %s %s waits for the database: %s", name, saga_id, one_line(error))
            await asyncio.sleep(random.uniform(0.2, 1.0))
        except Exception:  # one saga must not keep the others from moving; it is seen, and tried again
            log.exception("saga %s %s could not be moved on", name, saga_id)
            await asyncio.sleep(random.uniform(1.0, 5.0))
        finally:
            self._running.pop(saga_id, None)
            self._wake.set()


def _by_name(functions: Iterable[Callable[..., Any]]) -> dict[str, Definition]:
    found: dict[str, Definition] = {}
    for definition in map(definition_of, functions):
        if definition.name in found:
            raise TypeError(f"two sagas are named {definition.name!r}; give one of them another name=")
        found[definition.name] = definition
    return found
