"""Serving one operation: access, body, message, deadline, handler, reply; in this order, all planned at start-up."""

from __future__ import annotations

import time
from typing import Any

from atoll.contracts import DeadlineExceeded, Operation, Unauthenticated
from atoll.resilience.deadline import DEADLINE_HEADER, NobodyWaits, Within, read_remaining
from atoll.service import Caller, Handler, Request, current_request
from atoll.service.request import FOREVER
from atoll.transport.http.limits import HttpLimits
from atoll.transport.http.server.asgi import LEFT, RECEIVED, Identify
from atoll.transport.http.server.body import BodyRules, Disconnected, read_body
from atoll.transport.http.server.exchange import Exchange
from atoll.transport.http.server.reading import Reading
from atoll.transport.http.server.replies import Reply, Replying
from atoll.transport.http.server.streams import send_stream

_DEADLINE = DEADLINE_HEADER.encode()


class OperationEndpoint:
    """An `Endpoint` for one operation and its handler."""

    __slots__ = (
        "_abandons", "_access", "_body", "_deadline", "_handler", "_identify", "_limits", "_name", "_operation", "_read",
        "_replying", "_streams",
    )  # fmt: skip

    def __init__(
        self, operation: Operation[Any, Any], handler: Handler, identify: Identify, limits: HttpLimits
    ) -> None:
        self._operation = operation
        self._name = operation.qualified
        self._access = operation.access
        self._abandons = operation.idempotent  # what is begun of anything else is better finished
        self._deadline = operation.deadline
        self._streams = operation.streams
        self._handler = handler
        self._identify = identify
        self._limits = limits
        reading = Reading(operation)
        self._read = reading.read
        self._body = (
            BodyRules(reading.media, reading.body_required, operation.http.body_limit, limits.body_timeout)
            if reading.media
            else None
        )
        self._replying = Replying(operation)

    async def __call__(self, exchange: Exchange) -> Reply | None:
        """Runs the handler. The deadline cancels it, and if the operation is idempotent also a client that goes away."""
        raw = exchange.headers.raw.get(_DEADLINE)
        given = FOREVER if raw is None else self._given_deadline(raw)
        caller = await self._caller(exchange)
        rules = self._body
        body = b"" if rules is None else await read_body(exchange.receive, exchange.headers, rules, exchange.whole)
        message = self._read(body, exchange.values, exchange.scope.get("query_string", b""))
        request = Request(
            self._name, message, operation=self._operation, headers=exchange.headers, caller=caller, deadline=given
        )
        request.received = exchange.scope.get(RECEIVED, 0.0)
        token = current_request.set(request)
        try:
            if self._streams:
                await send_stream(exchange, self._handler, request, self._limits)
                return None
            work = self._handled(request)
            if self._abandons:
                exchange.scope[LEFT] = work.give_up
            return self._replying.write(await work, request.reply_headers)
        except NobodyWaits:
            raise Disconnected from None
        finally:
            current_request.reset(token)

    def _handled(self, request: Request) -> Within[Any]:
        """What the `deadline` layer does, without asking for the time twice."""
        now = time.monotonic()
        left = min(self._deadline, request.deadline - now)
        if left <= 0:
            raise DeadlineExceeded(f"{self._name}: the caller's time is used up")
        request.deadline = now + left
        return Within(self._handler(request), left, self._name)

    def _given_deadline(self, raw: bytes) -> float:
        left = read_remaining(raw.decode("latin-1"))
        if left is None:
            return FOREVER
        if left <= 0:
            raise DeadlineExceeded(f"{self._name}: the caller's time is used up")
        return time.monotonic() + left

    async def _caller(self, exchange: Exchange) -> Caller | None:
        if self._access.public:
            try:
                return await self._identify(exchange.headers)
            except Unauthenticated:
                return None  # an old token must not keep anyone from what is public
        caller = await self._identify(exchange.headers)
        if caller is None:
            raise Unauthenticated("this needs a caller; send a bearer token")
        caller.require(self._access)
        return caller
