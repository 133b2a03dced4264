"""How one message is handled: inbox and handler in one transaction, attempts, then parking, then the dead letters."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from atoll.contracts import DeadlineExceeded
from atoll.crash import crash_point
from atoll.data import Database, DatabaseUnavailable, Work
from atoll.data.backoff import Backoff
from atoll.data.postgres import one_line
from atoll.messaging import parking
from atoll.messaging.inbox import Admission, admit, admit_all, remember
from atoll.messaging.incoming import Failure, Incoming, Message, Routes, Undecodable, failure_of, lot_of
from atoll.messaging.spans import messaging_plan
from atoll.service import Request, current_request
from atoll.service.origins import Origins
from atoll.service.tracing import CONSUMER, SpanPlan, kept_plan, traced

log = logging.getLogger("atoll.messaging")
T = TypeVar("T")

BEHIND = Failure(0, "waits behind another message of its key", "")
Entry = Callable[[Work], Awaitable[Admission]]


class Stopping(Exception):
    """The consumer stops; the message stays where it is."""


class Handling:
    """Handles messages of one consumer group. paused: subjects that are left alone for now.

    Each method deals with its message for good, however long the database is away, or raises `Stopping`.
    """

    def __init__(self, database: Database, routes: Routes, *, consumer: str) -> None:
        self._database = database
        self._routes = routes
        self._consumer = consumer
        self.paused: frozenset[str] = frozenset()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Attempts that run go on to their end; none begins any more."""
        self._stopping.set()

    async def live(self, incoming: Incoming) -> None:
        """A delivered message: afterwards it is handled, known, parked or dead."""
        message = incoming.message

        async def enter(work: Work) -> Admission:
            found = await admit(work, self._consumer, message.id, message.key)
            if found is Admission.BEHIND:
                await self._park(work, message, BEHIND)
            return found

        failure = await self._attempts(incoming, enter, incoming.policy.retry.attempts)
        if failure is not None:
            log.warning(
                "%s %s is parked after %d attempts: %s", message.subject, message.id, failure.attempts, failure.error
            )
            crash_point("before-park")
            await self._surely(lambda work: self._park(work, message, failure))
            crash_point("after-park")

    async def batch(self, incomings: Sequence[Incoming]) -> None:
        """Messages of one event, in their order: one unit of work for all. One that fails is split until the culprit is found."""
        if len(incomings) == 1:
            await self.live(incomings[0])
            return
        fresh: list[Any] = []

        async def enter(work: Work) -> Admission:
            fresh.clear()
            keys = [(incoming.message.id, incoming.message.key) for incoming in incomings]
            for incoming, found in zip(incomings, await admit_all(work, self._consumer, keys), strict=True):
                if found is Admission.BEHIND:
                    await self._park(work, incoming.message, BEHIND)
                elif found is Admission.FRESH:
                    fresh.extend(incoming.event)
            return Admission.FRESH if fresh else Admission.HANDLED

        if await self._attempts(lot_of(incomings, fresh), enter, 1) is not None:
            half = len(incomings) // 2
            await self.batch(incomings[:half])
            await self.batch(incomings[half:])

    async def undecodable(self, message: Message, error: Undecodable) -> None:
        """A message that is no event: a dead letter at once."""
        log.error("a message of %s cannot be decoded and is a dead letter: %s", message.subject, error)
        self._tell_of(message, error)
        await self._surely(lambda work: parking.bury(work, self._consumer, message, failure_of(error, 1)))

    async def parked(self, seq: int) -> int | None:
        """Tries a parked message again; the seq of the next one of its key if that is due now."""
        following: int | None = None
        row = await self._surely(lambda work: parking.take(work, seq))
        if row is None or row["subject"] in self.paused:
            return None
        message = Message(row["message_id"], row["key"], row["subject"], row["partition"], row["body"], row["attempts"])

        async def enter(work: Work) -> Admission:
            nonlocal following
            if (mine := await parking.take(work, seq)) is None:
                return Admission.HANDLED
            following = await parking.finish(work, self._consumer, mine)
            fresh = await remember(work, self._consumer, message.id)
            crash_point("before-parked-attempt")
            return Admission.FRESH if fresh else Admission.HANDLED

        try:
            incoming = self._routes.read(message.subject, message.partition, message.body)
        except Undecodable as error:  # this release no longer knows what an older one parked
            self._tell_of(message, error)
            failure: Failure | None = failure_of(error, message.attempts + 1)
        else:
            tries = incoming.policy.retry.attempts if message.attempts == 0 else 1
            failure = await self._attempts(incoming, enter, tries, message.attempts)
        if failure is None:
            return following
        return await self._again_later(seq, message, failure)

    async def _again_later(self, seq: int, message: Message, failure: Failure) -> int | None:
        async def decide(work: Work) -> int | None:
            row = await parking.take(work, seq)
            delays = self._routes.policy(message.subject).delays
            if row is None or await parking.postpone(work, row, failure, delays):
                return None
            what = message.subject, message.id, failure.attempts, failure.error
            log.error("%s %s is a dead letter after %d attempts: %s", *what)
            crash_point("before-bury")
            await parking.bury(work, self._consumer, message, failure)
            return await parking.finish(work, self._consumer, row)

        return await self._surely(decide)

    async def _park(self, work: Work, message: Message, failure: Failure) -> None:
        delays = self._routes.policy(message.subject).delays
        if delays or failure is BEHIND:
            await parking.park(work, self._consumer, message, failure, delays[0] if delays else 0.0)
        else:
            await parking.bury(work, self._consumer, message, failure)

    async def _attempts(self, incoming: Incoming, enter: Entry, tries: int, before: int = 0) -> Failure | None:
        backoff = Backoff(first=incoming.policy.retry.base, most=incoming.policy.retry.most)
        away = Backoff(first=0.05, most=2.0)
        failure: Failure | None = None
        tried = 0
        while tried < tries:
            self._check()
            try:
                await self._attempt(incoming, enter)
            except DatabaseUnavailable as error:  # not the message's fault, so it costs no attempt
                log.info("%s waits for the database: %s", incoming.message.subject, one_line(error))
                await self._wait(away.next())
                continue
            except Exception as error:  # whatever the handler raises is its answer
                tried += 1
                failure = failure_of(error, before + tried)
                log.info("%s %s failed: %s", incoming.message.subject, incoming.message.id, failure.error)
                if tried < tries:
                    await self._wait(backoff.next())
                continue
            return None
        return failure

    async def _attempt(self, incoming: Incoming, enter: Entry) -> None:
        with traced(self._plan(incoming.message.subject), incoming.headers) as span:
            if span is not None:
                if incoming.together:
                    span.links = incoming.links
                    span.set("messaging.batch.message_count", incoming.together)
                else:
                    span.set("messaging.message.id", incoming.message.id)
                span.set("messaging.destination.partition.id", str(incoming.message.partition))
            await self._attempt_once(incoming, enter)

    def _plan(self, subject: str) -> SpanPlan:
        return kept_plan(
            f"process {subject}", lambda: messaging_plan("process", CONSUMER, subject, group=self._consumer)
        )

    def _tell_of(self, message: Message, error: Undecodable) -> None:
        """It counts as an attempt that failed: who judges a release that sends nonsense looks at what its consumers count."""
        with traced(self._plan(message.subject)) as span:
            if span is not None:
                span.set("messaging.message.id", message.id)
                span.fail(error)

    def _plan_of_one(self, subject: str) -> SpanPlan:
        """Of a span below no other here: the lot's own counts and times it."""
        told = {"messaging.operation.type": "process", "messaging.destination.name": subject}
        return kept_plan(f"process one {subject}", lambda: SpanPlan(f"process {subject}", CONSUMER, told))

    async def _attempt_once(self, incoming: Incoming, enter: Entry) -> None:
        limit = incoming.policy.deadline
        deadline = time.monotonic() + limit
        request = Request(incoming.message.subject, incoming.event, headers=incoming.headers, deadline=deadline)
        token = current_request.set(request)
        timer = asyncio.timeout(limit)
        try:
            async with timer, self._database.work() as work:
                crash_point("before-inbox")
                if await enter(work) is Admission.FRESH:
                    request.scope[Work] = work
                    if incoming.together:
                        request.scope[Origins] = Origins(self._plan_of_one(incoming.message.subject), incoming.origins)
                    crash_point("after-inbox")
                    await incoming.handler(request)
                    crash_point("after-handler")
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise DeadlineExceeded(f"the handler had not returned after {limit:g} s and was cancelled") from error
        finally:
            current_request.reset(token)

    async def _surely(self, action: Callable[[Work], Awaitable[T]]) -> T:
        """The action in a transaction of its own, however often it takes; Stopping if the consumer stops before."""
        backoff = Backoff(first=0.05, most=2.0)
        while True:
            self._check()
            try:
                async with self._database.work() as work:
                    return await action(work)
            except Exception as error:  # nothing here depends on the message; only the database can be in the way
                log.warning("a message waits for the database: %s", one_line(error))
                await self._wait(backoff.next())

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Stopping
