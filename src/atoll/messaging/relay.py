"""`Relay`: publishes the outbox, in its order, each row acknowledged by the broker before the cursor passes it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from atoll.contracts import Unavailable
from atoll.crash import crash_point
from atoll.data import Connection, Database, Leases, Row
from atoll.data.backoff import Backoff
from atoll.data.outbox import Cursor, move_cursor, read_after, read_cursor
from atoll.data.postgres import ANSWER, DRIVER_ERRORS, listen, on_lost, one_line
from atoll.messaging.broker import Broker, NotAllPublished, Outgoing
from atoll.messaging.envelope import Envelope, encode_envelope, extensions
from atoll.messaging.spans import messaging_plan
from atoll.service.lifecycle import end
from atoll.service.tracing import PRODUCER, Span, SpanPlan, current_tracer, kept_plan, span_headers

log = logging.getLogger("atoll.messaging")

BATCH = 500  # rows read at once, and publishes in flight at the most
LOOK_EVERY = 1.0  # seconds; the safety net, should a wake-up get lost
UNSETTLED_WAIT = 0.002, 0.1  # seconds, first and most: an older transaction is still running
NOTIFY_EVERY = 0.02  # seconds; commits of an instance within it share one notification
STOP_WITHIN = 2.0  # seconds for the batch that is being published when the service stops
CHANNEL = "atoll_outbox"
_AWAY: tuple[type[Exception], ...] = (*DRIVER_ERRORS, Unavailable)


class Relay:
    """Publishes what the service's outbox holds; a `Component`. One instance of the service does it at a time.

    The others wait for the lease and take over at once when its holder dies. A commit wakes the holder: in its own
    process directly, from another instance by a notification. That one is sent outside of the committing transaction and
    shared by many commits, because NOTIFY makes PostgreSQL commit one transaction after the other.
    """

    def __init__(self, database: Database, broker: Broker, *, system: str, service: str) -> None:
        self._database = database
        self._broker = broker
        self._source = f"/{system}/{service}"
        self._lease = f"relay:{service}"
        self._committed = asyncio.Event()
        self._wake = asyncio.Event()
        self._leading = False
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        database.on_outbox(self._on_commit)

    async def start(self) -> None:
        """Begins, without waiting for database or broker."""
        self._stopping = False
        self._tasks = [
            asyncio.create_task(self._run(), name="relay"),
            asyncio.create_task(self._notify(), name="relay: notify"),
        ]

    async def stop(self) -> None:
        """Stops after what is being published."""
        self._stopping = True
        self._wake.set()
        tasks, self._tasks = self._tasks, []
        try:
            if self._leading:
                await asyncio.wait(tasks[:1], timeout=STOP_WITHIN)
        finally:
            await end(*tasks)

    def _on_commit(self) -> None:
        self._wake.set()
        self._committed.set()

    async def _run(self) -> None:
        backoff = Backoff(first=0.05, most=2.0)
        while not self._stopping:
            try:
                async with Leases(self._database).exclusive(self._lease, answer=ANSWER) as connection:
                    backoff.reset()
                    await self._lead(connection)
            except _AWAY as error:
                log.info("the relay waits, the database is away: %s", one_line(error))
            except (
                Exception
            ):  # the relay must live as long as the service does; whatever it is, it is seen and tried again
                log.exception("the relay failed and starts again")
            finally:
                self._leading = False
            await backoff.wait()

    async def _lead(self, connection: Connection) -> None:
        lost = asyncio.Event()
        on_lost(connection, lost.set)
        on_lost(connection, self._wake.set)
        await listen(connection, CHANNEL, self._wake.set)
        cursor = await read_cursor(connection)
        self._leading = True
        unsettled = Backoff(first=UNSETTLED_WAIT[0], most=UNSETTLED_WAIT[1])
        while not self._stopping:
            self._wake.clear()
            rows = await read_after(connection, cursor, BATCH)
            settled = [row for row in rows if row["settled"]]
            if settled:
                unsettled.reset()
                cursor = await self._publish(connection, settled, lost)
            elif rows:
                await unsettled.wait()
            else:
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY * random.uniform(0.7, 1.0)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _publish(self, connection: Connection, rows: Sequence[Row], lost: asyncio.Event) -> Cursor:
        batch = asyncio.create_task(self._publish_all(rows), name="relay: batch")
        losing = asyncio.create_task(lost.wait(), name="relay: lease")
        try:
            await asyncio.wait([batch, losing], return_when=asyncio.FIRST_COMPLETED)
            if not batch.done():
                raise ConnectionError("the lease was lost")
            await batch
        finally:
            await end(losing, batch)
        cursor = Cursor(rows[-1]["fence"], rows[-1]["position"])
        crash_point("before-mark")
        await move_cursor(connection, cursor)
        crash_point("after-mark")
        return cursor

    async def _publish_all(self, rows: Sequence[Row]) -> None:
        """All at once, except that the rows of one key stay in their order; tried again until the broker has them."""
        spans: list[Span] = []
        try:
            await self._until_published([self._outgoing(row, spans) for row in rows])
        except BaseException as error:
            for span in spans:
                span.fail(error)
            raise
        finally:
            for span in spans:
                span.end()

    async def _until_published(self, left: Sequence[Outgoing]) -> None:
        backoff = Backoff(first=0.05, most=2.0)
        while left:
            try:
                crash_point("before-publish")
                await self._broker.publish_all(left)
                crash_point("after-publish")
                return
            except NotAllPublished as error:
                log.info("%d events are not published yet: %s", len(error.left), one_line(error))
                left = error.left
            except Unavailable as error:
                log.info("%d events are not published yet: %s", len(left), one_line(error))
            await backoff.wait()

    def _outgoing(self, row: Row, spans: list[Span]) -> Outgoing:
        headers: dict[str, Any] = extensions(msgspec.json.decode(row["headers"])) if row["headers"] else {}
        tracer = current_tracer.get()
        if tracer is not None:
            span = tracer.begin(self._plan(row["subject"]), headers)
            spans.append(span)
            if span.trace.recording:
                span.set("messaging.message.id", str(row["id"]))
                span.set("atoll.outbox.wait", (datetime.now(UTC) - row["written_at"]).total_seconds())
            headers = headers or span_headers(span)
        body = encode_envelope(self._envelope(row, headers))
        return Outgoing(row["subject"], row["key"], _message_id(row), body)

    def _plan(self, subject: str) -> SpanPlan:
        """Of a child of the event's creation, as all that handles it is: the envelope keeps that context, sent once or twice."""
        return kept_plan(f"send {subject}", lambda: messaging_plan("send", PRODUCER, subject, self._broker))

    def _envelope(self, row: Row, headers: Mapping[str, Any]) -> Envelope:
        return Envelope(
            id=str(row["id"]),
            source=self._source,
            type=row["subject"],
            subject=row["key"],
            partitionkey=row["key"],
            time=row["written_at"],
            eventversion=row["version"],
            data=msgspec.Raw(row["data"].encode()),
            **headers,
        )

    async def _notify(self) -> None:
        while True:
            await self._committed.wait()
            self._committed.clear()
            if not self._leading:
                try:
                    async with self._database.connection() as connection:
                        await connection.execute(f"NOTIFY {CHANNEL}")
                except _AWAY as error:
                    log.debug("the relay was not notified and will look by itself: %s", one_line(error))
            await asyncio.sleep(NOTIFY_EVERY)


def _message_id(row: Row) -> str:
    """What the broker dedupes by: the event's id, and the number of the redrive if it is one."""
    return f"{row['id']}/{row['delivery']}" if row["delivery"] else str(row["id"])
