"""`Projection`: a read model that follows the stored events.

    @projects(OrderPlaced)
    async def list_order(stored: Stored[OrderPlaced], model: Connection) -> None:
        await model.execute("INSERT INTO order_list (id, status) VALUES ($1, 'placed')", stored.event.order_id)

    class OrderList(Projection, name="order-list", handlers=[list_order, ...], tables=["order_list"]):
        ...

``Service(projections=[OrderList])`` runs it. Its checkpoint commits with the rows that it writes, so that each event
takes effect once, whatever happens.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from atoll.contracts import Error, Unavailable, Upcaster
from atoll.data.backoff import Backoff
from atoll.data.checkpoints import CHANNEL, Checkpoint, ProjectionStatus, list_projections
from atoll.data.event_order import Position, mend, more_follows, newest
from atoll.data.leases import Leases
from atoll.data.postgres import DRIVER_ERRORS, Connection, listen, on_lost, one_line
from atoll.data.projecting import Projecting
from atoll.data.reached import Reached
from atoll.data.rebuild import Rebuild
from atoll.service.lifecycle import end

if TYPE_CHECKING:
    from atoll.data.database import Database

log = logging.getLogger("atoll.data")

NAME = re.compile(r"^[a-z][a-z0-9_-]{0,39}$")
BATCH = 1_000  # events in one transaction, at the most
LOOK_EVERY = 1.0  # seconds; the safety net, should a wake-up get lost
GATHER = 0.02  # seconds between two transactions, unless somebody waits: many small ones would take from writers
UNSETTLED_WAIT = 0.002, 0.1  # seconds, first and most: an older transaction is still running
FAILED_WAIT = 0.05, 10.0  # seconds, first and most, after a handler failed
NOTIFY_EVERY = 0.02  # seconds; commits of an instance within it share one notification
STOP_WITHIN = 2.0  # seconds for the batch that is being projected when the service stops
_AWAY: tuple[type[Exception], ...] = (*DRIVER_ERRORS, Error)


class ReadModelBehind(Unavailable, code="read-model-behind"):
    """The read model has not come as far as asked within the time."""


class Projection:
    """Keeps a read model; a `Component`. Any number of instances may be started: one of them does it, by a lease.

    name: of its checkpoint; lower-case letters, digits, dashes. handlers: functions marked with `projects` or
    `projects_batch`. tables: those of the read model, without schemas, for `rebuild`. upcasters: for older events.
    All of them are given to the class, as a service declares it, or to the object; upcasters add up.
    A handler that fails stops the projection at that event, is tried again for ever, and is shown by `status`.
    database: for queries of subclasses.
    """

    name_: ClassVar[str] = ""
    handlers_: ClassVar[tuple[Callable[..., Any], ...]] = ()
    tables_: ClassVar[tuple[str, ...]] = ()
    upcasters_: ClassVar[tuple[Upcaster, ...]] = ()

    def __init_subclass__(
        cls,
        *,
        name: str = "",
        handlers: Iterable[Callable[..., Any]] = (),
        tables: Iterable[str] = (),
        upcasters: Iterable[Upcaster] = (),
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)
        if name:
            _refuse_no_name(name)
            cls.name_, cls.handlers_ = name, tuple(handlers)
            cls.tables_, cls.upcasters_ = tuple(tables), tuple(upcasters)
            Projecting(cls.handlers_, cls.upcasters_)  # so that what cannot work fails where it is written

    def __init__(
        self,
        database: Database,
        name: str = "",
        handlers: Iterable[Callable[..., Any]] = (),
        *,
        tables: Iterable[str] = (),
        upcasters: Iterable[Upcaster] = (),
    ) -> None:
        self.name = name or self.name_
        _refuse_no_name(self.name)
        self.database = database
        self._projecting = Projecting(tuple(handlers) or self.handlers_, (*self.upcasters_, *upcasters))
        self._tables = tuple(tables) or self.tables_
        self._checkpoint = Checkpoint(self.name)
        self._reached = Reached(self._look)
        self._wake = asyncio.Event()
        self._appended = asyncio.Event()
        self._leading = False
        self._stopped = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._rebuilding: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        database.on_append(self._on_commit)

    async def start(self) -> None:
        """Begins, without waiting for the database."""
        self._stopped.clear()
        self._tasks = [
            asyncio.create_task(self._run(), name=f"projection {self.name}"),
            asyncio.create_task(self._notify(), name=f"projection {self.name}: notify"),
        ]

    async def stop(self) -> None:
        """Stops after the current batch."""
        self._stopped.set()
        self._wake.set()
        tasks, self._tasks = self._tasks, []
        try:
            if self._leading:
                await asyncio.wait(tasks[:1], timeout=STOP_WITHIN)
        finally:
            try:
                await end(*tasks)
            finally:
                await self._reached.close()

    async def wait_for(self, position: Position | None, timeout: float = 5.0) -> None:
        """Returns when the read model holds all up to this position (what `save` and `append` returned), in any instance.

        timeout: seconds, after which it is `ReadModelBehind`. None, for nothing was saved, returns at once.
        """
        if position is None:
            return
        try:
            async with asyncio.timeout(timeout):
                await self._reached.wait(position)
        except TimeoutError:
            raise ReadModelBehind(
                f"{self.name} has not come to {position} within {timeout:g} s; ask again", headers={"retry-after": "1"}
            ) from None

    async def caught_up(self, timeout: float = 5.0) -> None:
        """Returns when the read model holds all that had been committed when this was called, by whomever.

        For readers who do not know the position of what they wrote. timeout: seconds, after which it is `ReadModelBehind`.
        """
        async with self.database.connection() as connection:
            position = await newest(connection)
        await self.wait_for(position, timeout)

    async def check(self) -> str:
        """For health pages: how far it is behind and what stops it, empty if nothing. Raises if the database is away.

        Trouble is told and does not fail the check: no instance could do better, and the service does more than this.
        """
        async with self.database.connection() as connection:
            return await self._checkpoint.health(connection)

    async def status(self) -> ProjectionStatus:
        """How far it is, whoever runs it."""
        for status in await list_projections(self.database):
            if status.name == self.name:
                return status
        return ProjectionStatus(
            self.name, Position.START, 0, 0.0, None, rebuild_asked=False, trouble="it has never run"
        )

    async def rebuild(self) -> Position:
        """Makes the read model anew from all events, here and now, while the old one is read and kept up to date.

        Then the new tables take the place of the old ones, at once. Returns how far they are. RebuildError if that cannot be.
        """
        return await Rebuild(self.database, self.name, self._projecting, self._tables).run()

    def _on_commit(self) -> None:
        self._wake.set()
        self._appended.set()

    async def _run(self) -> None:
        backoff = Backoff(first=0.05, most=2.0)
        while not self._stopped.is_set():
            try:
                async with Leases(self.database).exclusive(f"projection:{self.name}") as connection:
                    backoff.reset()
                    await self._lead(connection)
            except _AWAY as error:
                log.info("the projection %s waits, the database is away: %s", self.name, one_line(error))
            except Exception:  # it must live as long as the service does; whatever it is, it is seen and tried again
                log.exception("the projection %s failed and starts again", self.name)
            finally:
                self._leading = False
                await self._end_rebuild()
            await backoff.wait()

    async def _lead(self, connection: Connection) -> None:
        on_lost(connection, self._wake.set)
        await listen(connection, CHANNEL, self._wake.set)
        if await mend(connection):
            log.warning("the stored events were put in order again after a restore into another cluster")
        await self._checkpoint.ensure(connection)
        at = await self._checkpoint.read(connection)
        self._reached.restart(at)
        self._leading = True
        unsettled = Backoff(first=UNSETTLED_WAIT[0], most=UNSETTLED_WAIT[1])
        failed = Backoff(first=FAILED_WAIT[0], most=FAILED_WAIT[1])
        limit = BATCH
        while not self._stopped.is_set():
            self._wake.clear()
            try:
                step = await self._projecting.step(connection, self._checkpoint, at, limit)
            except Exception as error:
                if connection.is_closed():
                    raise
                limit = 1  # so that all before the event that fails is projected, and the trouble names that one
                await self._trouble(connection, error)
                await _pause(self._stopped, failed.next())
                continue
            if step.at != at:
                at, limit = step.at, min(BATCH, limit * 2)
                self._reached.move(at)
                unsettled.reset()
                failed.reset()
            await self._rebuild_if_asked(connection)
            if step.full:
                continue
            if await more_follows(connection, at):
                await unsettled.wait()
            else:
                await _pause(self._wake, LOOK_EVERY * random.uniform(0.7, 1.0))
                await self._gather()

    async def _gather(self) -> None:
        """Lets more events come, so that one transaction takes them all; whoever waits, or stops it, ends this at once."""
        if not self._stopped.is_set():
            await _pause(self._reached.wanted, GATHER)

    async def _trouble(self, connection: Connection, error: Exception) -> None:
        log.error("the projection %s does not move: %s", self.name, one_line(error), exc_info=error)
        await self._checkpoint.tell(connection, one_line(error))

    async def _look(self) -> Position:
        async with self.database.connection() as connection:
            return await self._checkpoint.read(connection)

    async def _rebuild_if_asked(self, connection: Connection) -> None:
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY / 2:
            return
        self._looked_at = now
        running = self._rebuilding is not None and not self._rebuilding.done()
        if not running and await self._checkpoint.rebuild_asked(connection):
            self._rebuilding = asyncio.create_task(self._rebuild_asked(), name=f"projection {self.name}: rebuild")

    async def _rebuild_asked(self) -> None:
        try:
            at = await self.rebuild()
            log.info("the read model of %s is rebuilt up to %s", self.name, at)
        except _AWAY as error:
            log.info("the rebuild of %s begins again, the database is away: %s", self.name, one_line(error))
        except Exception as error:
            log.exception("the read model of %s could not be rebuilt; the old one stays", self.name)
            async with self.database.connection() as connection:
                building = Checkpoint(self.name, building=True)
                await building.ensure(connection)  # it may have failed before it made the row
                await building.tell(connection, one_line(error))
                await self._checkpoint.settle_rebuild(connection)

    async def _end_rebuild(self) -> None:
        await end(self._rebuilding)
        self._rebuilding = None

    async def _notify(self) -> None:
        """Tells the instance that leads. Not in the committing transaction, because NOTIFY makes commits wait in a line."""
        while True:
            await self._appended.wait()
            self._appended.clear()
            if not self._leading:
                try:
                    async with self.database.connection() as connection:
                        await connection.execute(f"NOTIFY {CHANNEL}")
                except _AWAY as error:
                    log.debug(
                        "the projection %s was not notified and will look by itself: %s", self.name, one_line(error)
                    )
            await asyncio.sleep(NOTIFY_EVERY)


def _refuse_no_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(f"a projection's name is like 'order-list' (at most 40 characters), not {name[:60]!r}")


async def _pause(until: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await until.wait()
    except TimeoutError:
        return
