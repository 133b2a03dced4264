"""An operation's endpoint with a span around it; its duration is counted by method, route and status with it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from atoll.contracts import Error, Operation
from atoll.service.tracing import SERVER, SpanPlan, Value, current_span, current_tracer
from atoll.transport.http.server.body import Disconnected
from atoll.transport.http.server.exchange import Endpoint, Exchange
from atoll.transport.http.server.replies import Reply

_SERVER_ERROR = 500
_OK = 200
_GONE = "499"  # what nginx calls it when a client does not wait for its answer; there is no reply
METRIC = "http.server.request.duration"
SHADOW_METRIC = "atoll.shadow.request.duration"  # of copies of requests, so that nothing counts twice
_SHADOW = b"atoll-shadow"
_PARENT, _STATE = b"traceparent", b"tracestate"


class ObservedEndpoint:
    """An `Endpoint`. The path is told as its route: what stands in it may be anybody's name."""

    __slots__ = ("_inner", "_plan", "_shadow_plan")

    def __init__(self, operation: Operation[object, object], inner: Endpoint) -> None:
        self._inner = inner
        self._plan = _plan(operation, METRIC)
        self._shadow_plan = _plan(operation, SHADOW_METRIC)

    async def __call__(self, exchange: Exchange) -> Reply | None:
        """As the operation does."""
        tracer = current_tracer.get()
        if tracer is None:
            return await self._inner(exchange)
        plan = self._shadow_plan if _SHADOW in exchange.headers.raw else self._plan
        span = exchange.span = tracer.begin(plan, trace_context(exchange))
        token = current_span.set(span)
        status = _SERVER_ERROR
        try:
            reply = await self._inner(exchange)
            status = _OK if reply is None else reply.status
        except Error as error:
            status = error.status
            if status >= _SERVER_ERROR:
                span.fail(error)
            raise
        except (Disconnected, asyncio.CancelledError):
            span.outcome = _GONE
            raise
        except BaseException as failure:
            span.fail(failure)
            raise
        finally:
            current_span.reset(token)
            if not span.outcome:
                span.outcome, told = _STATUSES.get(status) or _told(status)
                if span.attributes is None:
                    span.attributes = told  # shared by all; nobody adds to a span that is over
                else:
                    span.attributes.update(told)
            span.end()
        return reply


def _plan(operation: Operation[object, object], metric: str) -> SpanPlan:
    route = {"http.request.method": operation.method, "http.route": operation.path}
    return SpanPlan(
        f"{operation.method} {operation.path}",
        SERVER,
        {**route, "url.scheme": "http", "atoll.operation": operation.qualified},
        metric=metric,
        labels=("http.request.method", "http.route", "atoll.operation"),
        outcome="http.response.status_code",
        quiet=operation.http.polled,
    )


def _told(status: int) -> tuple[str, dict[str, Value]]:
    return str(status), {"http.response.status_code": status}


_STATUSES = {status: _told(status) for status in range(100, 600)}


def trace_context(exchange: Exchange) -> Mapping[str, str] | None:
    """The headers that tell where a request comes from. One ``traceparent`` too many is none; ``tracestate`` may be in parts."""
    raw = exchange.headers.raw
    if _PARENT not in raw:
        return None
    pairs: list[tuple[bytes, bytes]] = exchange.scope["headers"]
    if len(raw) == len(pairs):
        return exchange.headers  # nearly always: no header came twice
    found = [value for name, value in pairs if name == _PARENT]
    if len(found) != 1:
        return None
    headers = {"traceparent": found[0].decode("latin-1")}
    if _STATE in raw:
        headers["tracestate"] = ",".join([value.decode("latin-1") for name, value in pairs if name == _STATE])
    return headers
