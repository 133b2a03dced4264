"""`LocalChannel`: calls within this process that behave like the wire."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from atoll.contracts import Error, Internal, NotFound, Operation
from atoll.contracts.codec import encode
from atoll.resilience.deadline import deadline
from atoll.service import Caller, Handler, Request, current_request
from atoll.transport.http.client.port import HttpReply
from atoll.transport.http.client.reading import ReplyReader
from atoll.transport.http.client.writing import writer_for
from atoll.transport.http.server.reading import Reading
from atoll.transport.http.server.replies import Replying, problem_reply
from atoll.transport.http.server.router import Router
from atoll.transport.http.server.streams import items_of


class LocalChannel:
    """Encodes and decodes each message, reply and error, so that what works here works over HTTP.

    caller: who the handlers see; without one it is the caller of the request that is being handled now.
    """

    def __init__(self, routes: Mapping[Operation[Any, Any], Handler], *, caller: Caller | None = None) -> None:
        self._caller = caller
        self._routes = {operation: _Route(operation, handler) for operation, handler in routes.items()}

    async def call(self, operation: Operation[Any, Any], message: Any) -> Any:
        """The reply; the callee's Error otherwise."""
        route = self._route(operation)
        try:
            request = self._request(route, message)
            token = current_request.set(request)
            try:
                reply = route.replying.write(await route.bounded(request), request.reply_headers)
            finally:
                current_request.reset(token)
        except Error as error:
            reply = problem_reply(error, operation.path)
        return route.reader.read(HttpReply(reply.status, _texts(reply.headers), reply.body))

    async def stream(self, operation: Operation[Any, Any], message: Any) -> AsyncIterator[Any]:
        """The items of a `Stream[T]` reply."""
        route = self._route(operation)
        try:
            async for item in await items_of(route.handler, self._request(route, message)):
                yield route.reader.message(encode(item))
        except Error as error:
            raise route.reader.problem(problem_reply(error, operation.path).body) from None

    def _route(self, operation: Operation[Any, Any]) -> _Route:
        route = self._routes.get(operation)
        if route is None:
            raise NotFound(f"nothing implements {operation.qualified} here")
        return route

    def _request(self, route: _Route, message: Any) -> Request:
        current = current_request.get()
        caller = self._caller or (None if current is None else current.caller)
        operation = route.operation
        if not operation.access.public:
            (caller or Caller()).require(operation.access)
        return Request(
            operation.qualified,
            route.over_the_wire(message),
            operation=operation,
            caller=caller,
            deadline=min(time.monotonic() + operation.deadline, current.deadline if current else float("inf")),
        )


class _Route:
    def __init__(self, operation: Operation[Any, Any], handler: Handler) -> None:
        self.operation = operation
        self.handler = handler
        self.bounded = deadline(handler)
        self.replying = Replying(operation)
        self.reader = ReplyReader(operation)
        self._write = writer_for(operation)
        self._reading = Reading(operation)
        self._values: Router[bool] = Router()
        self._values.add(operation.method, operation.path, True)

    def over_the_wire(self, message: Any) -> Any:
        written = self._write(message)
        path, _, query = written.target.partition("?")
        found = self._values.find(self.operation.method, path.encode())
        if found is None:
            raise Internal(f"{self.operation!r} does not find its own path {path}")
        return self._reading.read(written.body, found[1], query.encode())


def _texts(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
