"""`Batch`: gathers what comes while the last lot is being handled, so that a lot is as large as the load asks for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from atoll.service.lifecycle import end

T = TypeVar("T")


class Batch(Generic[T]):
    """Handles items in lots of at most ``size``, one lot after the other, in the order in which they came.

    limit: shared with what else runs; a lot takes one place. There is no waiting for a lot to be full: the first item goes
    at once, and those that come meanwhile go together. When a lot fails, so do those that wait behind it.
    """

    def __init__(self, limit: asyncio.Semaphore, size: int, handle: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._limit = limit
        self._size = size
        self._handle = handle
        self._waiting: deque[tuple[T, asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def join(self, items: Sequence[T]) -> None:
        """Returns when the items are handled; raises what their lot raised."""
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in items]
        self._waiting.extend(zip(items, futures, strict=True))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="batch")
        await asyncio.gather(*futures)

    async def cut_off(self) -> None:
        """Cancels the lot that is being handled; those who joined it, and who wait, are cancelled as well."""
        await end(self._task)

    async def _run(self) -> None:
        try:
            while self._waiting:
                async with self._limit:
                    await self._run_lot()
        finally:
            self._task = None

    async def _run_lot(self) -> None:
        lot = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
        try:
            await self._handle([item for item, _ in lot])
        except BaseException as error:
            _end((*lot, *self._waiting), error)
            self._waiting.clear()
            if not isinstance(error, Exception):
                raise
        else:
            _end(lot, None)


def _end(lot: Sequence[tuple[T, asyncio.Future[None]]], error: BaseException | None) -> None:
    for _, future in lot:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        elif isinstance(error, asyncio.CancelledError):
            future.cancel()
        else:
            future.set_exception(error)
