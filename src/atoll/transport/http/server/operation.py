"""Serving one operation: access, body, message, deadline, handler, reply; in this order, all planned at start-up."""

from __future__ import annotations

import time
from typing import Any

from atoll.contracts import DeadlineExceeded, Operation, Unauthenticated
from atoll.resilience.deadline import DEADLINE_HEADER, deadline, read_remaining
from atoll.service import Caller, Handler, Request, current_request
from atoll.service.request import FOREVER
from atoll.transport.http.limits import HttpLimits
from atoll.transport.http.server.asgi import Identify
from atoll.transport.http.server.body import check_media, read_body
from atoll.transport.http.server.exchange import Exchange
from atoll.transport.http.server.reading import Reading
from atoll.transport.http.server.replies import Reply, Replying
from atoll.transport.http.server.streams import send_stream

_DEADLINE = DEADLINE_HEADER.encode()


class OperationEndpoint:
    """An `Endpoint` for one operation and its handler."""

    __slots__ = ("_access", "_handler", "_identify", "_limits", "_name", "_operation", "_reading", "_replying")

    def __init__(
        self, operation: Operation[Any, Any], handler: Handler, identify: Identify, limits: HttpLimits
    ) -> None:
        self._operation = operation
        self._name = operation.qualified
        self._access = operation.access
        self._handler = handler if operation.streams else deadline(handler)
        self._identify = identify
        self._limits = limits
        self._reading = Reading(operation)
        self._replying = Replying(operation)

    async def __call__(self, exchange: Exchange) -> Reply | None:
        """Runs the handler; a client that goes away meanwhile does not cancel it, the deadline does."""
        given = self._given_deadline(exchange)
        caller = await self._caller(exchange)
        message = await self._message(exchange)
        request = Request(
            self._name,
            message,
            operation=self._operation,
            headers=exchange.headers,
            caller=caller,
            deadline=given if self._operation.streams else min(given, time.monotonic() + self._operation.deadline),
        )
        token = current_request.set(request)
        try:
            if self._operation.streams:
                await send_stream(exchange, self._handler, request, self._limits)
                return None
            return self._replying.write(await self._handler(request), request.reply_headers)
        finally:
            current_request.reset(token)

    def _given_deadline(self, exchange: Exchange) -> float:
        raw = exchange.headers.raw.get(_DEADLINE)
        left = None if raw is None else read_remaining(raw.decode("latin-1"))
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

    async def _message(self, exchange: Exchange) -> Any:
        reading = self._reading
        body = b""
        if reading.media:
            check_media(exchange.headers, reading.media)
            body = await read_body(
                exchange.receive,
                exchange.headers,
                required=reading.body_required,
                limit=self._operation.http.body_limit,
                timeout=self._limits.body_timeout,
            )
        return reading.read(body, exchange.values, exchange.scope.get("query_string", b""))
