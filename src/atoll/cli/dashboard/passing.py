"""Events: who publishes and consumes what, and what passes on the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from atoll.cli.dashboard.reach import Reach, answering, refusal
from atoll.cli.operating import plain
from atoll.contracts import Error
from atoll.messaging import SubscriptionEnded, open_broker
from atoll.operate import PassingEvent, watch
from atoll.platform.dashboard.asking import Wrong, span_of_time
from atoll.platform.local.asking import events_of
from atoll.system.events import event_findings, event_notes, subjects_of
from atoll.system.trouble import Trouble

MOST = 500  # events that one answer holds, the latest
_RECENT = 15 * 60 * 10**9  # nanoseconds
_encode = msgspec.json.Encoder().encode
_closing: set[asyncio.Future[None]] = set()  # the event loop itself would forget them


def routes(reach: Reach) -> list[Route]:
    """The paths."""
    known: dict[str, Any] = {}

    async def subjects(_: Request) -> object:
        """The services' code is asked once: it takes a process a service, and a reload makes no new contract here."""
        if not known:
            known.update(await run_in_threadpool(_subjects, reach))
        return known

    async def recent(request: Request) -> object:
        ago = span_of_time(request.query_params, "since") or _RECENT
        since = datetime.now(UTC) - timedelta(microseconds=ago / 1_000)
        found: list[dict[str, Any]] = []
        async for event in _passing(reach, request, since, follow=False):
            found.append(_plain(event))
            del found[:-MOST]
        return {"events": found[::-1]}

    async def tail(request: Request) -> Response:
        """Server-sent events, one an event, from now on."""
        events = _passing(reach, request, None, follow=True)
        try:
            first = asyncio.ensure_future(anext(events))
            await asyncio.wait([first], timeout=0.2)
            if first.done():
                first.result()
        except (Trouble, Wrong, Error, SubscriptionEnded) as error:
            return refusal(503, error)
        return StreamingResponse(_stream(first, events), media_type="text/event-stream")

    return [
        Route("/api/events/subjects", answering(subjects)),
        Route("/api/events/tail", tail),
        Route("/api/events", answering(recent)),
    ]


async def _passing(
    reach: Reach, request: Request, since: datetime | None, *, follow: bool
) -> AsyncGenerator[PassingEvent, None]:
    at = await reach.broker()
    wanted = tuple(word for word in request.query_params.get("subjects", "").split(",") if word)
    broker = open_broker(at.url, system=at.system)
    try:
        await broker.start()
        async for event in watch(broker, wanted, since=since, follow=follow, key=request.query_params.get("key", "")):
            yield event
    finally:
        await broker.stop()


async def _stream(
    first: asyncio.Future[PassingEvent], events: AsyncGenerator[PassingEvent, None]
) -> AsyncGenerator[bytes, None]:
    """Each event is awaited in a task of its own: who goes away cancels this one at every step, and nothing would be closed."""
    coming = first
    try:
        yield b": following\n\n"
        while True:
            event = await asyncio.shield(coming)
            coming = asyncio.ensure_future(anext(events))
            yield b"data: " + _encode(_plain(event)) + b"\n\n"
    except StopAsyncIteration:
        return
    finally:
        closing = asyncio.ensure_future(_close(coming, events))
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)


async def _close(coming: asyncio.Future[PassingEvent], events: AsyncGenerator[PassingEvent, None]) -> None:
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
    await events.aclose()


def _plain(event: PassingEvent) -> dict[str, Any]:
    found: dict[str, Any] = plain(event)
    return found


def _subjects(reach: Reach) -> dict[str, Any]:
    services = events_of(reach.system, reach.root)
    return {
        "subjects": [
            {
                "subject": one.subject,
                "publishers": [{"service": service.service, "version": use.version} for service, use in one.publishers],
                "consumers": [{"service": service.service, "version": use.version} for service, use in one.consumers],
            }
            for one in subjects_of(services)
        ],
        "findings": [{"place": place, "text": text} for place, text in event_findings(services)],
        "notes": [{"place": place, "text": text} for place, text in event_notes(services)],
    }
