"""One attempt of a step or a compensation, journaled; and what is to become of it if it fails."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec

from atoll.contracts import Error
from atoll.crash import crash_point
from atoll.data import Database, DatabaseUnavailable, Work
from atoll.data.postgres import one_line
from atoll.sagas.actions import Local, Remote, acting
from atoll.sagas.failures import Away, Overtaken, Stuck, Suspended
from atoll.sagas.journal import Entry, Journal, Place, record_late
from atoll.service.tracing import INTERNAL, SpanPlan, kept_plan, traced

log = logging.getLogger("atoll.sagas")

FIRST_DELAY, MOST_DELAY = 0.2, 60.0  # seconds between attempts; equal jitter
LOCAL_TIMEOUT = 60.0  # seconds for one attempt of a local step; what a consumer gives its handlers
_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


class Attempts:
    """Carries out the actions of one run. Its transactions come one after the other, for each moves the version on.

    limit: how many transactions of sagas this instance has open at once.
    """

    def __init__(self, database: Database, journal: Journal, limit: asyncio.Semaphore) -> None:
        self._database = database
        self._limit = limit
        self._journal = journal
        self._headers: Mapping[str, str] = _decode_headers(journal.headers) if journal.headers else {}
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Work]:
        """A transaction that advances the journal. `Away` if the database is away."""
        async with self._turn, self._limit:
            try:
                async with self._database.work() as work:
                    yield work
            except DatabaseUnavailable as error:
                raise Away(one_line(error)) from error
            self._journal.committed()

    async def run(self, place: Place, action: Local | Remote) -> str | None:
        """One attempt, to its journaled result; what it raises is not journaled yet."""
        with traced(_plan(self._journal.name, place.name), self._headers) as span:
            if span is not None:
                span.set("atoll.saga.id", str(self._journal.id))
            return await self._run(place, action)

    async def _run(self, place: Place, action: Local | Remote) -> str | None:
        journal = self._journal
        if isinstance(action, Remote):
            return await self._remote(place, action, journal.entries.get(place.name))
        with acting(journal.name, place.name, journal.id, self._headers):
            async with self.transaction() as work, asyncio.timeout(LOCAL_TIMEOUT):
                result = await action.run(work)
                await self.effect(work, place, result)
        return result

    async def effect(self, work: Work, place: Place, result: str | None) -> None:
        """The effect is there; its journal row goes with it."""
        crash_point("after-effect")
        await self._journal.done(work, place, result)

    async def failed(self, place: Place, problem: str, *, unknown: bool, undisturbed: bool = False) -> int:
        """Journals the failure; the version that it is journaled under."""
        async with self.transaction() as work:
            return await self._journal.failed(work, place, problem, unknown=unknown, undisturbed=undisturbed)

    async def later(self, place: Place, action: Local | Remote, error: Exception, patience: float) -> Suspended | Stuck:
        """What becomes of a step that failed: another attempt after a while, or none when the patience is over."""
        entry = self._journal.entries.get(place.name)
        attempts = (entry.attempts if entry is not None else 0) + 1
        delay = min(MOST_DELAY, FIRST_DELAY * 2 ** min(attempts - 1, 20)) * random.uniform(0.5, 1.0)
        async with self.transaction() as work:
            counted = isinstance(action, Remote)
            due = await self._journal.postpone(work, place, error, delay, begun=counted)
        since = entry.begun_at if entry is not None and entry.begun_at is not None else self._journal.now()
        what = f"{self._journal.name} {self._journal.key}: {place.name!r} failed {attempts} times"
        if due > since + timedelta(seconds=patience):
            return Stuck(place.name, f"{place.name!r} failed {attempts} times in {patience:g} s: {one_line(error)}")
        log.info("%s, the next attempt comes in %.1f s: %s", what, delay, one_line(error))
        return Suspended(due)

    async def _remote(self, place: Place, action: Remote, entry: Entry | None) -> str | None:
        written = entry.input if entry is not None and entry.input is not None else action.written()
        async with self.transaction() as work:
            await self._journal.begin(work, place, written)
        journal = self._journal
        with acting(journal.name, place.name, journal.id, self._headers):
            crash_point("before-call")
            result = await action.run(written)
        try:
            async with self.transaction() as work:
                await self.effect(work, place, result)
        except Overtaken:
            log.warning("%s %s: the reply to %r came too late", journal.name, journal.key, place.name)
            await record_late(self._database, journal.id, f"reply to {place.name}", result or "null")
            raise
        return result


def _plan(saga: str, step: str) -> SpanPlan:
    told = {"atoll.saga": saga, "atoll.saga.step": step}
    metric = "atoll.saga.step.duration"
    name = f"saga {saga}: {step}"
    return kept_plan(name, lambda: SpanPlan(name, INTERNAL, told, metric=metric, labels=("atoll.saga",)))


def when(moment: datetime | None, seconds: float) -> datetime | None:
    """So many seconds later."""
    return None if moment is None else moment + timedelta(seconds=seconds)


def declared_errors(action: Local | Remote, known: Mapping[str, type[Error]]) -> Mapping[str, type[Error]]:
    """The classes that the action's errors may have."""
    if isinstance(action, Remote):
        return {**known, **action.target().errors}
    return known


def kind_of(action: Local | Remote) -> Any:
    """The type of the action's result."""
    return action.target().reply if isinstance(action, Remote) else action.kind()
