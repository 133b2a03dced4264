"""`Database`: the service's own PostgreSQL database, there or away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress

from atoll.contracts import DeadlineExceeded, Event
from atoll.data import postgres
from atoll.data.backoff import Backoff
from atoll.data.group_commit import GroupCommit
from atoll.data.postgres import DRIVER_ERRORS, Connection, DatabaseUnavailable, one_line
from atoll.data.retention import Retention
from atoll.data.work import Work
from atoll.service import current_request
from atoll.service.lifecycle import end

log = logging.getLogger("atoll.data")

ENOUGH = 0.1  # seconds: a request that has less says nothing about the database when it gets no answer
PATIENCE = 5.0  # seconds that work waits for the database outside of any request; the default deadline of an operation
CLOSED_WITHIN = (
    2.0  # seconds for whoever asks a database one question: a silent one would not let go of its connections
)
DEADLINE_SHARE = 0.9  # of what is left to a request: so that it hears "unavailable" before its time is up
RECENT = 2.0  # seconds; a connection that worked this lately answers for the whole database


class Database:
    """A pool of connections to the service's own database; a `Component`.

    url: ``postgresql://role:password@host:port/dbname``. source: what PostgreSQL shows as application_name (default: the
    service). min_size: connections made at start. max_size: units of work that run at once; others wait.
    publishes: if given, the only events that units of work may publish.
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
        self.service = service
        self.name = source or service
        self.publishes = None if publishes is None else frozenset(publishes)
        self.units: dict[asyncio.Task[object] | None, Work] = {}
        self._url = url
        self._min_size = min_size
        self.max_size = max_size
        self._pool = postgres.Pool(url, name=self.name, max_size=max_size)
        self.group_commit = GroupCommit(self)
        self._retention = Retention(self)
        self._warming: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._wakes: list[Callable[[], None]] = []
        self._readers: list[Callable[[], None]] = []
        self._answered_at = float("-inf")
        self._trouble = ""

    async def start(self) -> None:
        """Returns at once; connects in the background, for ever."""
        await self._pool.open()
        self._tried.clear()
        self._warming = asyncio.create_task(self._warm(), name="database: connect")
        self._retention.start()

    async def stop(self, within: float | None = None) -> None:
        """Closes the connections once they are given back; after so many seconds, or cancelled, it cuts them off."""
        try:
            async with asyncio.timeout(within):
                await self._retention.stop()
                await end(self._warming)
                self._warming = None
                await self._pool.close()
        except TimeoutError as error:
            log.info("the connections of %s are cut off: %s", self.service, one_line(error))
            self._pool.terminate()
        except BaseException:
            self._pool.terminate()
            raise

    async def warmed(self, within: float) -> None:
        """Until the connections of the start are made, or one could not be, or so many seconds are over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._tried.wait()

    async def check(self) -> None:
        """Raises if the database does not answer."""
        if self._pool.exhausted and time.monotonic() - self._answered_at < RECENT:
            return  # busy is not away, and a check must not queue behind the work
        connection = await self._pool.acquire()
        try:
            await connection.execute("SELECT 1")
        finally:
            await self.release(connection)

    def work(self) -> Work:
        """``async with database.work() as work``: commits at a clean exit, rolls back on an exception."""
        return Work(self)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside of any transaction: each statement commits by itself."""
        connection = await self.acquire()
        try:
            yield connection
        except DRIVER_ERRORS as error:
            found = postgres.translated(error, connection)
            if found is error:
                raise
            raise found from error
        finally:
            await self.release(connection)

    async def dedicated(self, answer: float | None = postgres.ANSWER) -> Connection:
        """A connection outside of the pool, for what lives as long as its session: locks and notifications.

        answer: seconds that each statement may take, for whoever holds something for others must not hang; None for no limit.
        """
        return await postgres.connect(self._url, self.name, answer)

    async def acquire(self, statement: str = "") -> Connection:
        """A connection on which ``statement`` has run (BEGIN, say). DatabaseUnavailable after the request's time;
        DeadlineExceeded if that was too short to tell.

        A connection that turns out to be dead is discarded and another one tried: nothing but ``statement`` was sent.
        """
        patience = self.patience()
        try:
            async with asyncio.timeout(patience):
                return await self._acquire(statement)
        except TimeoutError:
            raise self.unanswered(patience) from None

    async def release(self, connection: Connection) -> None:
        """Gives the connection back to the pool."""
        await self._pool.release(connection)

    def usage(self) -> tuple[int, int]:
        """How many of its connections are in use, and how many are idle."""
        return self._pool.usage()

    def on_outbox(self, wake: Callable[[], None]) -> None:
        """Calls ``wake`` after each commit that put events into the outbox."""
        self._wakes.append(wake)

    def on_append(self, wake: Callable[[], None]) -> None:
        """Calls ``wake`` after each commit that stored events in streams."""
        self._readers.append(wake)

    def outbox_grew(self) -> None:
        """Events committed."""
        for wake in self._wakes:
            wake()

    def events_appended(self, *, published: bool) -> None:
        """Stored events committed; published: some of them are in the outbox too."""
        for wake in self._readers:
            wake()
        if published:
            self.outbox_grew()

    def patience(self) -> float:
        """Seconds that the current request, or other work, waits for the database."""
        request = current_request.get()
        return PATIENCE if request is None else min(PATIENCE, request.remaining() * DEADLINE_SHARE)

    def unanswered(self, patience: float) -> DatabaseUnavailable | DeadlineExceeded:
        """What somebody hears who waited so many seconds."""
        busy = f"all {self.max_size} connections are busy" if self._pool.exhausted else self._trouble
        if not busy and patience < ENOUGH:
            return DeadlineExceeded("the request's time was over before the database was asked")
        return DatabaseUnavailable(
            f"no database connection within {patience:.1f} s: {busy or 'no answer'}", headers={"retry-after": "1"}
        )

    async def _acquire(self, statement: str) -> Connection:
        backoff = Backoff(first=0.02, most=1.0)
        while True:
            try:
                connection = await self._pool.acquire()
                if not statement or await self._runs(connection, statement):
                    self._answered_at = time.monotonic()
                    return connection
            except DRIVER_ERRORS as error:
                self._note(error)
                await backoff.wait()

    async def _runs(self, connection: Connection, statement: str) -> bool:
        try:
            await connection.execute(statement)
        except DRIVER_ERRORS as error:
            if not postgres.is_away(error, connection):
                await self.release(connection)
                raise
            postgres.end(connection)
            await self.release(connection)
            return False
        except BaseException:
            postgres.end(connection)
            await self.release(connection)
            raise
        return True

    def _note(self, error: Exception) -> None:
        trouble = one_line(error)
        if trouble != self._trouble:
            log.warning("the database of %s is away: %s", self.service, trouble)
            self._trouble = trouble

    async def _warm(self) -> None:
        """Gets the first connections at once, or as many as the database gives: what it has is not held while it waits."""
        backoff = Backoff(first=0.05, most=2.0)
        taken: list[Connection] = []
        try:
            while not taken and self._min_size:
                try:
                    for _ in range(self._min_size):
                        taken.append(await self._pool.acquire())  # noqa: PERF401 - those before a failure count
                except DRIVER_ERRORS as error:
                    if not taken:
                        self._note(error)
                        self._tried.set()
                        await backoff.wait()
        finally:
            # All of them, also when a stop comes between two: the pool's end would wait for the others for ever.
            await asyncio.shield(asyncio.gather(*(self.release(one) for one in taken)))
            self._tried.set()
