"""`HttpChannel`: a typed client's calls over HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from atoll.contracts import Api, BadGateway, Operation
from atoll.discovery import Balancer, Endpoint
from atoll.resilience import Breakers, NotSent, client_stack
from atoll.resilience.deadline import DEADLINE_HEADER, write_remaining
from atoll.resilience.records import Hook, ignore
from atoll.resilience.retry import IDEMPOTENCY_KEY
from atoll.service import Handler, Request, Stack, current_request
from atoll.service.request import FOREVER
from atoll.transport.http.client.balancing import balance, endpoint_url
from atoll.transport.http.client.events import read_events
from atoll.transport.http.client.passing import idempotency_key, passed_headers
from atoll.transport.http.client.port import HttpClient, HttpReply, HttpStream
from atoll.transport.http.client.reading import ReplyReader
from atoll.transport.http.client.writing import Written, writer_for

OPENING = 5.0  # seconds for the first answer of a stream


class HttpChannel:
    """Implements `contracts.Channel` for one Api.

    balancer: who answers (start it; it is a Component). peer_header: ``name:secret`` shown to the callee; without it no
    caller's identity is passed on. stack: the layers around each call; the default is `default_stack`.
    """

    def __init__(
        self,
        api: type[Api],
        *,
        balancer: Balancer,
        http: HttpClient,
        peer_header: str | None = None,
        stack: Stack | None = None,
    ) -> None:
        self._balancer = balancer
        self._http = http
        self._peer_header = peer_header
        self.stack = default_stack(balancer) if stack is None else stack
        self._plans = {operation: _Plan(operation) for operation in api.operations_}
        self._handlers = {operation: self.stack.around(self._sender(plan)) for operation, plan in self._plans.items()}

    async def call(self, operation: Operation[Any, Any], message: Any) -> Any:
        """The reply. The callee's Error, NotSent, Lost, BadGateway or DeadlineExceeded otherwise."""
        request = self._request(operation, message, time.monotonic() + operation.deadline)
        return await self._handlers[operation](request)

    async def stream(self, operation: Operation[Any, Any], message: Any) -> AsyncIterator[Any]:
        """The items of a `Stream[T]` reply, as they come; the callee's Error, also in the middle. It is not repeated."""
        request = self._request(operation, message, FOREVER)
        if not await self._balancer.ready():
            raise NotSent(f"{self._balancer.service} has no instance that answers now")
        load = self._balancer.pick()
        if load is None:
            raise NotSent(f"{self._balancer.service} has no instance that answers now")
        plan = self._plans[operation]
        written: Written = request.scope[Written]
        url = load.endpoint.url + written.target
        began = load.begin()
        headers = {**request.headers, "accept": "text/event-stream"}
        try:
            async with self._http.stream(operation.method, url, headers, written.body, OPENING) as reply:
                async for item in _items(plan.reader, reply):
                    yield item
        finally:
            load.end(began, measured=False)

    def _request(self, operation: Operation[Any, Any], message: Any, deadline: float) -> Request:
        current = current_request.get()
        written = self._plans[operation].write(message)
        headers = passed_headers(current, self._peer_header)
        if written.content_type:
            headers["content-type"] = written.content_type
        if operation.keyed:
            headers[IDEMPOTENCY_KEY] = idempotency_key(operation, current, written.target, written.body)
        request = Request(
            operation.qualified,
            message,
            operation=operation,
            headers=headers,
            caller=None if current is None else current.caller,
            deadline=deadline if current is None else min(deadline, current.deadline),
        )
        request.scope[Written] = written
        return request

    def _sender(self, plan: _Plan) -> Handler:
        method, read, http = plan.operation.method, plan.reader.read, self._http

        async def send(request: Request) -> Any:
            endpoint: Endpoint = request.scope[Endpoint]
            written: Written = request.scope[Written]
            left = request.remaining()
            headers: Mapping[str, str] = {**request.headers, DEADLINE_HEADER: write_remaining(left)}
            return read(await http.send(method, endpoint.url + written.target, headers, written.body, left))

        return send


def default_stack(balancer: Balancer, *, hook: Hook = ignore) -> Stack:
    """The default client stack for one balancer, with breakers of its own."""
    breakers = Breakers(hook=hook)
    return client_stack(balance=balance(balancer, breakers), breakers=breakers, endpoint=endpoint_url, hook=hook)


class _Plan:
    __slots__ = ("operation", "reader", "write")

    def __init__(self, operation: Operation[Any, Any]) -> None:
        self.operation = operation
        self.write = writer_for(operation)
        self.reader = ReplyReader(operation)


async def _items(reader: ReplyReader, reply: HttpStream) -> AsyncIterator[Any]:
    if not 200 <= reply.status < 300:
        body = b"".join([chunk async for chunk in reply.chunks])
        raise reader.error(HttpReply(reply.status, reply.headers, body))
    if not reply.headers.get("content-type", "").startswith("text/event-stream"):
        raise BadGateway("the reply is no event stream")
    async for event in read_events(reply.chunks):
        if event.kind == "error":
            raise reader.problem(event.data)
        yield reader.message(event.data)
