"""`HttpChannel`: a typed client's calls over HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from atoll.contracts import Api, BadGateway, Error, Operation
from atoll.contracts.policies import ClientPolicy
from atoll.discovery import Balancer, Endpoint
from atoll.discovery.balance import Load
from atoll.resilience import Breakers, ClientStacks, Faults, Reach, faulty
from atoll.resilience.deadline import DEADLINE_HEADER, write_remaining
from atoll.resilience.records import Hook, ignore
from atoll.resilience.retry import IDEMPOTENCY_KEY
from atoll.service import Handler, Request, Resilience, Stack, current_request
from atoll.service.request import FOREVER
from atoll.service.tracing import current_span
from atoll.transport.http.client.balancing import balance, endpoint_url
from atoll.transport.http.client.events import read_events
from atoll.transport.http.client.marks import pass_marks
from atoll.transport.http.client.observed import Attempt, attempt_plan
from atoll.transport.http.client.passing import idempotency_key, passed_headers
from atoll.transport.http.client.port import HttpClient, HttpReply, HttpStream
from atoll.transport.http.client.reading import ReplyReader
from atoll.transport.http.client.writing import Written, writer_for

OPENING = 5.0  # seconds for the first answer of a stream
MOST_PROBLEM = 65_536  # bytes of what a callee says instead of a stream


@dataclass(frozen=True, slots=True)
class Calling:
    """How an Api is called. resilience: what differs from the defaults. faults: the ordered ones; None allows none."""

    resilience: Resilience = field(default_factory=Resilience)
    faults: Faults | None = None
    hook: Hook = ignore


class HttpChannel:
    """Implements `contracts.Channel` for one Api.

    balancer: who answers (start it; it is a Component). peer_header: ``name:secret`` shown to the callee; without it no
    caller's identity is passed on. calling: the policies. stack: instead of what they say, for all operations.
    shared: what all calls have in common.
    """

    def __init__(
        self,
        api: type[Api],
        *,
        balancer: Balancer,
        http: HttpClient,
        peer_header: str | None = None,
        calling: Calling | None = None,
        stack: Stack | None = None,
    ) -> None:
        self._http = http
        self._peer_header = peer_header
        calling = calling or Calling()
        self.shared = made = client_stacks(balancer, calling, calling.resilience.client_of(api))
        self._plans = {one: _Plan(one, _seconds(one, calling)) for one in api.operations_}
        self.stacks = {one: stack or _stack(made, one, calling) for one in api.operations_}
        self._handlers = {one: found.around(self._handler(one)) for one, found in self.stacks.items()}

    async def call(self, operation: Operation[Any, Any], message: Any) -> Any:
        """The reply. The callee's Error, NotSent, Lost, BadGateway or DeadlineExceeded otherwise."""
        plan = self._plans[operation]
        request = self._request(plan, message, time.monotonic() + plan.seconds)
        try:
            return await self._handlers[operation](request)
        except Error as error:
            raise plan.over_a_call(error) from error.__cause__

    async def stream(self, operation: Operation[Any, Any], message: Any) -> AsyncIterator[Any]:
        """The items of a `Stream[T]` reply, as they come; the callee's Error, also in the middle.

        Its opening goes through the stack, and may be repeated as any call; what comes after it is not repeated.
        """
        plan = self._plans[operation]
        request = self._request(plan, message, FOREVER)
        request.headers = {**request.headers, "accept": "text/event-stream"}
        async with AsyncExitStack() as open_stream:
            request.scope[AsyncExitStack] = open_stream
            try:
                reply: HttpStream = await self._handlers[operation](request)
            except Error as error:
                raise plan.over_a_call(error) from error.__cause__
            load: Load = request.scope[Load]
            began = load.begin()
            open_stream.callback(load.end, began, measured=False)
            async for event in read_events(reply.chunks):
                if event.kind == "error":
                    raise plan.reader.problem(event.data)
                yield plan.reader.message(event.data)

    def _request(self, plan: _Plan, message: Any, deadline: float) -> Request:
        operation = plan.operation
        current = current_request.get()
        written = plan.write(message)
        headers = passed_headers(current, self._peer_header)
        pass_marks(current, headers)
        if written.content_type:
            headers["content-type"] = written.content_type
        if operation.keyed:
            headers[IDEMPOTENCY_KEY] = idempotency_key(operation, current, written.target, written.body)
        request = Request(
            plan.name,
            message,
            operation=operation,
            headers=headers,
            caller=None if current is None else current.caller,
            deadline=deadline if current is None else min(deadline, current.deadline),
        )
        request.scope[Written] = written
        return request

    def _handler(self, operation: Operation[Any, Any]) -> Handler:
        plan = self._plans[operation]
        return self._opener(plan) if operation.streams else self._sender(plan)

    def _sender(self, plan: _Plan) -> Handler:
        method, read, http = plan.operation.method, plan.reader.read, self._http

        async def send(request: Request) -> Any:
            endpoint: Endpoint = request.scope[Endpoint]
            written: Written = request.scope[Written]
            left = request.remaining()
            headers = {**request.headers, DEADLINE_HEADER: write_remaining(left)}
            url = endpoint.url + written.target
            if (span := current_span.get()) is None:
                return read(await http.send(method, url, headers, written.body, left))
            with Attempt(span, plan.span, request, headers) as attempt:
                reply = await http.send(method, url, headers, written.body, left)
                attempt.status = reply.status
            return read(reply)

        return send

    def _opener(self, plan: _Plan) -> Handler:
        method, http = plan.operation.method, self._http

        async def open_stream(request: Request) -> HttpStream:
            endpoint: Endpoint = request.scope[Endpoint]
            written: Written = request.scope[Written]
            url, headers = endpoint.url + written.target, dict(request.headers)
            async with AsyncExitStack() as failing:
                attempt = _attempt_in(failing, plan, request, headers)
                reply = await failing.enter_async_context(http.stream(method, url, headers, written.body, OPENING))
                if attempt is not None:
                    attempt.status = reply.status
                if not 200 <= reply.status < 300:
                    raise plan.reader.error(HttpReply(reply.status, reply.headers, await _problem_in(reply)))
                if not reply.headers.get("content-type", "").startswith("text/event-stream"):
                    raise BadGateway("the reply is no event stream")
                kept: AsyncExitStack = request.scope[AsyncExitStack]
                kept.push_async_exit(failing.pop_all().__aexit__)
            return reply

        return open_stream


async def _problem_in(reply: HttpStream) -> bytes:
    """The body of a reply that is no stream but an error, as much of it as a problem document may need."""
    body = b""
    async for chunk in reply.chunks:
        body += chunk
        if len(body) > MOST_PROBLEM:
            break
    return body


def _attempt_in(stack: AsyncExitStack, plan: _Plan, request: Request, headers: dict[str, str]) -> Attempt | None:
    """A stream's span, which ends with the stack; None where nothing is traced."""
    span = current_span.get()
    return None if span is None else stack.enter_context(Attempt(span, plan.span, request, headers))


def client_stacks(balancer: Balancer, calling: Calling, policy: ClientPolicy) -> ClientStacks:
    """The stacks of one client, with breakers of its own; those of endpoints that are gone are forgotten."""
    breakers = Breakers(policy.breaker, hook=calling.hook)
    balancer.on_change(lambda endpoints: breakers.keep({endpoint.url for endpoint in endpoints}))
    fault = None if calling.faults is None else faulty(calling.faults, balancer.service, hook=calling.hook)
    reach = Reach(balance(balancer, breakers), breakers, endpoint_url, key=_same_call, fault=fault)
    return ClientStacks(policy, reach, layers=calling.resilience.client_layers, hook=calling.hook)


def _stack(made: ClientStacks, operation: Operation[Any, Any], calling: Calling) -> Stack:
    return made.opening(operation) if operation.streams else made.of(operation, calling.resilience.call_of(operation))


def _seconds(operation: Operation[Any, Any], calling: Calling) -> float:
    return calling.resilience.call_of(operation).deadline or operation.deadline


def _same_call(request: Request) -> Hashable:
    """What makes two calls equal: what is asked, and for whom."""
    written: Written = request.scope[Written]
    headers = request.headers
    return written.target, written.body, request.caller, headers.get("atoll-subject"), headers.get("atoll-release")


class _Plan:
    __slots__ = ("name", "operation", "reader", "seconds", "span", "write")

    def __init__(self, operation: Operation[Any, Any], seconds: float) -> None:
        self.operation = operation
        self.name = operation.qualified
        self.seconds = seconds
        self.write = writer_for(operation)
        self.reader = ReplyReader(operation)
        self.span = attempt_plan(operation)

    def over_a_call(self, error: Error) -> Error:
        """The same error; whatever prevented the call, an open breaker say, is not the calling service's own failure."""
        error.source = error.source or self.operation.api.service_
        return error
