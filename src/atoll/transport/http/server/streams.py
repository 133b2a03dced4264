"""Server-sent events (HTML standard, section 9.2): one ``data:`` event an item, comments while there is nothing to say.

An error before the first item is a problem document like any other; afterwards it is an ``error`` event with the problem.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any, cast

from atoll.contracts import Error, Internal, Unavailable
from atoll.contracts.codec import encode
from atoll.service import Handler, Request
from atoll.transport.http.limits import HttpLimits
from atoll.transport.http.server.exchange import BrokeOff, Exchange
from atoll.transport.http.server.replies import RawHeaders, encoded, problem_body

COMMENT = b":\n\n"
_HEADERS: RawHeaders = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def send_stream(exchange: Exchange, handler: Handler, request: Request, limits: HttpLimits) -> None:
    """Sends the items until there are no more, the client goes away or the server drains; the generator is closed then."""
    events = _Events(exchange, request)
    pump = asyncio.create_task(events.pump(await items_of(handler, request)))
    ends = [asyncio.create_task(_disconnected(exchange)), asyncio.create_task(exchange.closing.wait())]
    beat = asyncio.create_task(events.beat(limits.stream_opening, limits.heartbeat))
    try:
        await asyncio.wait({pump, *ends}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (pump, *ends, beat):
            task.cancel()
        results = await asyncio.gather(pump, *ends, beat, return_exceptions=True)
    failure = results[0]
    if isinstance(failure, asyncio.CancelledError) and exchange.closing.is_set():
        failure = Unavailable("the service is stopping; call again")
    if isinstance(failure, Exception):
        await _fail(events, failure)


async def _fail(events: _Events, failure: Exception) -> None:
    if not events.opened:
        raise failure
    await events.fail(failure)
    if not isinstance(failure, Error):
        raise BrokeOff from failure


async def items_of(handler: Handler, request: Request) -> AsyncIterator[Any]:
    """The items, from a handler that is an async generator or, with layers around it, returns one."""
    found: Any = handler(request)
    if inspect.isawaitable(found):
        found = await found
    if not hasattr(found, "__aiter__"):
        raise TypeError(f"{request.name} replies with a Stream; its handler must be an async generator")
    return cast(AsyncIterator[Any], found.__aiter__())


class _Events:
    def __init__(self, exchange: Exchange, request: Request) -> None:
        self._exchange = exchange
        self._request = request
        self._sending = asyncio.Lock()
        self._quiet = True
        self.opened = False

    async def pump(self, items: AsyncIterator[Any]) -> None:
        try:
            async for item in items:
                self._quiet = False
                await self._send(b"data: " + encode(item) + b"\n\n")
            await self._send(b"", more=False)
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    async def beat(self, opening: float, every: float) -> None:
        """Opens the stream after a while even if there is no item yet, then keeps it from looking dead."""
        await asyncio.sleep(opening)
        await self._send(COMMENT if self._quiet else b"")
        while True:
            self._quiet = True
            await asyncio.sleep(every)
            if self._quiet:
                await self._send(COMMENT)

    async def fail(self, failure: Exception) -> None:
        error = failure if isinstance(failure, Error) else Internal()
        problem = problem_body(error, self._exchange.scope["path"])
        await self._send(b"event: error\ndata: " + problem + b"\n\n", more=False)

    async def _send(self, body: bytes, *, more: bool = True) -> None:
        send = self._exchange.send
        async with self._sending:
            if not self.opened:
                self.opened = True
                headers = [*_HEADERS, *encoded(self._request.reply_headers.items())]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            if body or not more:
                await send({"type": "http.response.body", "body": body, "more_body": more})


async def _disconnected(exchange: Exchange) -> None:
    while (await exchange.receive())["type"] != "http.disconnect":
        pass
