"""`Work`: one database transaction, with the events that commit with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from atoll.contracts import Event
from atoll.crash import crash_point
from atoll.data.deferred import WRITE, DeferredRow, columns, conflict_of, of_outbox, of_stream
from atoll.data.outbox import OutgoingEvent, outgoing
from atoll.data.postgres import DRIVER_ERRORS, Connection, Row, UniqueViolation, end, is_gone, one_line, translated
from atoll.data.statements import observed

if TYPE_CHECKING:
    from atoll.data.database import Database

log = logging.getLogger("atoll.data")
ROLLBACK_TIMEOUT = 5.0  # seconds; a connection that does not roll back in that time is thrown away


class Work:
    """A unit of work: what runs in it commits together or not at all. Injected into handlers by its type.

    The transaction begins with the first statement; a unit that does nothing never asks for a connection, and one that only
    adds events commits together with others like it (`GroupCommit`). One statement at a time. Errors: `Conflict` for a
    serialization failure or deadlock, `DatabaseUnavailable` when the connection is lost; `UniqueViolation` and the like
    as the driver raises them.
    """

    __slots__ = ("_callbacks", "_connection", "_database", "_deferred", "_finished", "_opening", "_outgoing", "_task")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._opening = False
        self._finished = False
        self._deferred: list[DeferredRow] = []
        self._outgoing = False
        self._callbacks: list[Callable[[], None]] = []
        self._task: asyncio.Task[Any] | None = None

    async def execute(self, statement: str, *arguments: Any) -> str:
        """Runs the statement; PostgreSQL's status, ``UPDATE 1``."""
        connection = self._connection or await self._begin()
        status: str = await self._run(connection.execute, statement, *arguments)
        return status

    async def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs the statement once for each row of arguments."""
        connection = self._connection or await self._begin()
        await self._run(connection.executemany, statement, rows)

    async def fetch(self, statement: str, *arguments: Any) -> list[Row]:
        """All rows."""
        connection = self._connection or await self._begin()
        rows: list[Row] = await self._run(connection.fetch, statement, *arguments)
        return rows

    async def fetchrow(self, statement: str, *arguments: Any) -> Row | None:
        """The first row, if any."""
        connection = self._connection or await self._begin()
        row: Row | None = await self._run(connection.fetchrow, statement, *arguments)
        return row

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """The first column of the first row; None if there is none."""
        connection = self._connection or await self._begin()
        return await self._run(connection.fetchval, statement, *arguments)

    async def publish(self, event: Event, *, headers: Mapping[str, str] | None = None) -> None:
        """Puts the event into the outbox, which commits with this work.

        headers: travel with the event (default: the trace of the request that is being handled). TypeError for an event
        that the service does not declare, ValueError for one of more than 512 KiB.
        """
        self._check_open()
        self._deferred.append(of_outbox(outgoing(event, headers, self._database.publishes)))
        self._outgoing = True

    def append_on_commit(
        self, stream: str, expected: int, events: Sequence[OutgoingEvent], public: Sequence[bool]
    ) -> None:
        """Appends events to a stream when this work commits, which fails with `StreamConflict` if one of their numbers is taken.

        expected: the stream's last number. public: which of the events go into the outbox, too.
        """
        self._check_open()
        for number, (event, told) in enumerate(zip(events, public, strict=True), expected + 1):
            self._deferred.append(of_stream(stream, number, event, public=told))
        self._outgoing = self._outgoing or any(public)

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Calls back after the commit; what it raises is logged, for the work is done."""
        self._check_open()
        self._callbacks.append(callback)

    async def __aenter__(self) -> Self:
        self._check_open()
        task = asyncio.current_task()
        if task in self._database.units:
            raise RuntimeError("a unit of work is open already in this task; pass it on instead of opening another one")
        self._database.units[task] = self
        self._task = task
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self._commit()
        finally:
            self._finished = True
            self._database.units.pop(self._task, None)
            connection, self._connection = self._connection, None
            if connection is not None:
                await _finish(self._give_back(connection))
        if error is None:
            self._committed()

    def _check_open(self) -> None:
        if self._finished:
            raise RuntimeError("this unit of work is finished")

    async def _begin(self) -> Connection:
        self._check_open()
        if self._task is None:
            raise RuntimeError("open a unit of work with `async with database.work() as work`")
        if self._opening:
            raise RuntimeError("a unit of work runs one statement at a time")
        self._opening = True
        try:
            connection = await self._database.acquire("BEGIN")
        finally:
            self._opening = False
        if self._finished:  # in another task, while this one waited
            await _finish(self._give_back(connection))
            self._check_open()
        self._connection = connection
        return connection

    async def _run(self, method: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> Any:
        try:
            return await method(*arguments)
        except DRIVER_ERRORS as error:
            found = translated(error, self._connection)
            if found is error:
                raise
            raise found from error

    async def _commit(self) -> None:
        if self._connection is None and not self._deferred:
            return
        if self._connection is not None and self._deferred:
            await self._write(self._connection.execute, WRITE, *columns(self._deferred))
        crash_point("before-commit")
        if self._connection is None:
            await self._write(self._commit_with_others)
            return
        status = await self._run(self._connection.execute, "COMMIT")
        if status != "COMMIT":  # PostgreSQL says ROLLBACK, without an error, if a statement broke the transaction
            raise RuntimeError("a statement of this unit of work failed and its error was caught, so nothing is saved")

    async def _write(self, method: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
        try:
            await self._run(method, *arguments)
        except UniqueViolation as error:
            if (conflict := conflict_of(error)) is None:
                raise
            raise conflict from None

    async def _commit_with_others(self) -> None:
        await observed(WRITE, self._database.group_commit.write(self._deferred))

    def _committed(self) -> None:
        if self._deferred:
            crash_point("after-commit")
            if self._outgoing:
                self._database.outbox_grew()
        for callback in self._callbacks:
            try:
                callback()
            except Exception:
                log.exception("a callback after a commit failed")

    async def _give_back(self, connection: Connection) -> None:
        if not is_gone(connection) and connection.is_in_transaction():
            try:
                async with asyncio.timeout(ROLLBACK_TIMEOUT):
                    await connection.execute("ROLLBACK")
            except DRIVER_ERRORS as error:  # TimeoutError is an OSError, and so among them
                log.warning("a connection is thrown away, for it did not roll back: %s", one_line(error))
                end(connection)
        await self._database.release(connection)


async def _finish(cleaning: Coroutine[Any, Any, None]) -> None:
    """Runs the clean-up to its end, even if this task is cancelled meanwhile."""
    task = asyncio.ensure_future(cleaning)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
