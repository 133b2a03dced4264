"""Moves one saga on as far as it goes: forward by its function, or backward by its compensations."""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from pathlib import Path
from uuid import UUID

from atoll.contracts import Error
from atoll.contracts.codec import Decode, decoder_for
from atoll.crash import crash_point
from atoll.data import Database
from atoll.data.postgres import one_line
from atoll.sagas.binding import Bound
from atoll.sagas.definition import Definition
from atoll.sagas.failures import Away, Overtaken, Stuck, Suspended, Unwound
from atoll.sagas.journal import Journal, load
from atoll.sagas.run import Run
from atoll.sagas.steps import Saga
from atoll.sagas.unwinding import Unwinding

log = logging.getLogger("atoll.sagas")

RUN_LIMIT = 600.0  # seconds for one go of a saga; then its code hangs between two steps


class Advancing:
    """Moves sagas of one definition on, each until it is suspended, over or parked.

    limit: how many transactions of sagas this instance has open at once.
    """

    def __init__(self, database: Database, definition: Definition, bound: Bound, limit: asyncio.Semaphore) -> None:
        self._database = database
        self._limit = limit
        self._definition = definition
        self._bound = bound
        self._decode: Decode = decoder_for(definition.message)

    async def __call__(self, saga_id: UUID) -> None:
        """As far as it goes now. DatabaseUnavailable if the database is away."""
        while (journal := await self._load(saga_id)) is not None and journal.active:
            run = Run(self._database, self._definition, journal, self._limit)
            try:
                async with asyncio.timeout(RUN_LIMIT):
                    again = await (self._backward(run) if journal.backward else self._forward(run))
                if not again:
                    return
            except Overtaken as signal:  # an event, a person or another instance: look again
                log.debug("%s", signal)
                await asyncio.sleep(random.uniform(0.0, 0.01))
            except Away as signal:
                log.info("saga %s %s waits for the database: %s", journal.name, journal.key, signal)
                await asyncio.sleep(random.uniform(0.1, 0.5))
            except Suspended as suspended:
                if await self._suspended(run, suspended):
                    return
            except Stuck as stuck:
                await self._park(run, stuck)
            except TimeoutError:
                await self._park(run, Stuck("", f"it did not come to an end of its steps within {RUN_LIMIT:g} s"))

    async def _load(self, saga_id: UUID) -> Journal | None:
        async with self._limit:
            return await load(self._database, saga_id)

    async def _forward(self, run: Run) -> bool:
        try:
            await self._function(run)
            run.refuse_rest()
        except Error as error:
            journal = run.journal
            run.refuse_rest()
            log.warning("saga %s %s is compensated: %s", journal.name, journal.key, one_line(error))
            crash_point("before-turn")
            async with run.attempts.transaction() as work:
                await journal.turn(work, one_line(error))
            return True
        async with run.attempts.transaction() as work:
            await run.journal.end(work)
        return False

    async def _backward(self, run: Run) -> bool:
        try:
            await self._function(run)
        except (Error, Unwound, Suspended) as stop:
            log.debug("what was done ends with %s", one_line(stop))
        run.refuse_rest()
        await Unwinding(run.journal, run.attempts, self._definition.undo_patience)(run.undos.values())
        async with run.attempts.transaction() as work:
            await run.journal.end(work)
        return False

    async def _function(self, run: Run) -> None:
        try:
            message = self._decode(run.journal.message.encode())
        except Error as error:
            raise Stuck(
                "", f"its message is no {self._definition.message.__name__} any more: {error.detail}"
            ) from error
        try:
            await run(lambda: self._bound(message, Saga(run)))
        except Error:
            raise
        except Exception as defect:
            log.exception("the code of saga %s failed", run.journal.name)
            raise Stuck("", f"its code failed: {one_line(defect)} ({_where(defect)})") from defect

    async def _suspended(self, run: Run, suspended: Suspended) -> bool:
        """Whether it sleeps now; not if something came in between."""
        try:
            async with run.attempts.transaction() as work:
                await run.journal.suspend(work, suspended.due)
        except (Overtaken, Away) as signal:
            log.debug("%s", signal)
            return False
        return True

    async def _park(self, run: Run, stuck: Stuck) -> None:
        journal = run.journal
        log.error(
            "saga %s %s is parked: %s; look with 'atoll sagas show %s', then retry, skip or compensate",
            journal.name, journal.key, stuck.trouble, journal.id,
        )  # fmt: skip
        try:
            async with run.attempts.transaction() as work:
                await journal.park(work, stuck.step, stuck.trouble)
        except (Overtaken, Away) as signal:
            log.debug("%s", signal)


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
