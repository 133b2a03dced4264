"""`GroupCommit`: units of work that only add events commit together, in one statement and one write to the disk.

Each is still all or nothing by itself: a lot that fails is taken apart, and every unit tried alone hears of its own failure.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from atoll.contracts import DeadlineExceeded
from atoll.data.deferred import WRITE, DeferredRow, columns
from atoll.data.postgres import DRIVER_ERRORS, DatabaseUnavailable, is_away

if TYPE_CHECKING:
    from atoll.data.database import Database

_REFUSED: tuple[type[Exception], ...] = (*DRIVER_ERRORS, DatabaseUnavailable, DeadlineExceeded)
LOTS = 2  # at once: one waits for the disk while the next is sent
MOST = 256  # units of a lot
ANSWER = 5.0  # seconds that PostgreSQL has for a lot: as long as work waits for it at the most


class GroupCommit:
    """Gathers what comes while the lots before it are being written; nobody waits for a lot to become full."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[tuple[Sequence[DeferredRow], asyncio.Future[None]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def write(self, rows: Sequence[DeferredRow]) -> None:
        """Returns when the rows are committed; raises what writing them raised.

        A caller that is cancelled before its lot began takes its rows back; after that they may be committed or not.
        DatabaseUnavailable when the request's time is nearly over, or when PostgreSQL does not answer in `ANSWER`.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append((rows, future))
        if len(self._running) < LOTS:
            # Not in the context of this request, whose time and trace are not those of the lot.
            task = contextvars.Context().run(asyncio.create_task, self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        patience = self._database.patience()
        timer = loop.call_later(patience, self._give_up, future, patience)  # 0.8 us; asyncio.timeout takes 4.9
        try:
            await future
        finally:
            timer.cancel()

    def _give_up(self, future: asyncio.Future[None], patience: float) -> None:
        if future.done():
            return
        begun = all(waiting is not future for _, waiting in self._waiting)
        future.set_exception(_unknown(patience) if begun else self._database.unanswered(patience))

    async def _run(self) -> None:
        while lot := self._next():
            try:
                await self._write([row for rows, _ in lot for row in rows])
            except DRIVER_ERRORS as error:
                if len(lot) == 1 or is_away(error):
                    _end(lot, error)
                else:
                    await self._each(lot)
            except (DatabaseUnavailable, DeadlineExceeded) as error:
                _end(lot, error)
            except BaseException as error:
                _end(lot, error)
                raise
            else:
                _end(lot, None)

    def _next(self) -> list[tuple[Sequence[DeferredRow], asyncio.Future[None]]]:
        lot: list[tuple[Sequence[DeferredRow], asyncio.Future[None]]] = []
        while self._waiting and len(lot) < MOST:
            unit = self._waiting.popleft()
            if not unit[1].done():  # it was not cancelled meanwhile
                lot.append(unit)
        return lot

    async def _each(self, lot: Sequence[tuple[Sequence[DeferredRow], asyncio.Future[None]]]) -> None:
        for rows, future in lot:
            try:
                await self._write(rows)
            except _REFUSED as error:
                _end([(rows, future)], error)
            else:
                _end([(rows, future)], None)

    async def _write(self, rows: Sequence[DeferredRow]) -> None:
        connection = await self._database.acquire()
        try:
            await connection.execute(WRITE, *columns(rows), timeout=ANSWER)
        except TimeoutError:
            raise _unknown(ANSWER) from None
        finally:
            await self._database.release(connection)


def _unknown(seconds: float) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"the database did not say within {seconds:.1f} s whether it has written this: look before you repeat it",
        headers={"retry-after": "1"},
    )


def _end(lot: Sequence[tuple[Sequence[DeferredRow], asyncio.Future[None]]], error: BaseException | None) -> None:
    for _, future in lot:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        elif isinstance(error, asyncio.CancelledError):
            future.cancel()
        else:
            future.set_exception(error)
