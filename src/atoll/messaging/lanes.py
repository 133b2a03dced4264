"""Jobs in lanes: one lane a key, one job after the other in a lane, lanes in parallel."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from atoll.messaging.batch import Batch
from atoll.service.lifecycle import end

log = logging.getLogger("atoll.messaging")
Job = Callable[[], Awaitable[None]]


class Lanes:
    """Runs jobs. limit: how many run at once, over all lanes that share it. held: jobs that wait or run.

    broken: called when a job raises, which no job should: nothing that waits runs then, for it might depend on that one.
    """

    def __init__(self, limit: asyncio.Semaphore, broken: Callable[[], None]) -> None:
        self._limit = limit
        self._broken = broken
        self._lanes: dict[str, deque[tuple[Job, asyncio.Semaphore | None] | tuple[Batch[Any], Any]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._closing = False
        self.held = 0

    def submit(self, key: str, job: Job, own: asyncio.Semaphore | None = None) -> None:
        """Runs the job after those of its key that were submitted before. After `drain` has begun, it is dropped.

        own: a bound that it shares with fewer jobs than ``limit``.
        """
        self._put(key, (job, own))

    def submit_to(self, key: str, batch: Batch[Any], item: Any) -> None:
        """The same for an item that is handled with others; those that follow one another in a lane go in together."""
        self._put(key, (batch, item))

    async def below(self, count: int) -> None:
        """Returns when fewer than ``count`` jobs are held."""
        while self.held >= count:
            self._room.clear()
            await self._room.wait()

    async def drain(self) -> None:
        """Drops the jobs that wait, and returns when those that run are finished. Nothing runs here afterwards."""
        self._drop()
        while self._running:
            await asyncio.wait(self._running)

    async def cut_off(self) -> None:
        """Drops the jobs that wait, and cancels those that run."""
        self._drop()
        await end(*self._running)

    def _put(self, key: str, entry: tuple[Any, Any]) -> None:
        if self._closing:
            return
        self.held += 1
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(entry)
            return
        self._lanes[key] = deque([entry])
        task = asyncio.create_task(self._run(key), name=f"lane {key}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _drop(self) -> None:
        self._closing = True
        for lane in self._lanes.values():
            self.held -= len(lane)
            lane.clear()

    async def _run(self, key: str) -> None:
        lane = self._lanes[key]
        try:
            while lane:
                first, own = lane[0]
                if isinstance(first, Batch):
                    await self._run_some(lane, first)
                elif own is None:
                    await self._run_next(lane)
                else:
                    async with own:
                        await self._run_next(lane)
        finally:
            del self._lanes[key]
            self.held -= len(lane)
            self._room.set()

    async def _run_next(self, lane: deque[Any]) -> None:
        async with self._limit:
            if lane:
                job, _ = lane.popleft()
                await self._run_one(job, 1)

    async def _run_some(self, lane: deque[Any], batch: Batch[Any]) -> None:
        items = []
        while lane and lane[0][0] is batch:
            items.append(lane.popleft()[1])
        await self._run_one(lambda: batch.join(items), len(items))

    async def _run_one(self, job: Job, count: int) -> None:
        try:
            await job()
        except BaseException as error:
            self._drop()
            self._broken()
            if not isinstance(error, Exception):
                raise
            log.exception("a job failed that should not; what waits behind it starts over")
        finally:
            self.held -= count
            self._room.set()
