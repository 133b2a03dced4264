"""One attempt of a call as a span: what went over the wire, to whom, and how it ended."""

from __future__ import annotations

from random import getrandbits
from time import time_ns
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from atoll.contracts import Operation
from atoll.discovery import Endpoint
from atoll.service import Request
from atoll.service.tracing import CLIENT, Failure, Span, SpanPlan, Value, failure_of, traceparent

METRIC = "http.client.request.duration"
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


class _Attempts:
    """In a request's scope: how many there were."""


def attempt_plan(operation: Operation[Any, Any]) -> SpanPlan:
    """The plan of an operation's calls."""
    told = {"http.request.method": operation.method, "url.template": operation.path}
    return SpanPlan(
        f"{operation.method} {operation.path}",
        CLIENT,
        {**told, "atoll.operation": operation.qualified, "peer.service": operation.api.service_},
        metric=METRIC,
        labels=("http.request.method", "atoll.operation", "peer.service"),
    )


class Attempt:
    """``with Attempt(...) as attempt``: puts the span's own ``traceparent`` into the headers; set `status` when it is known.

    A stream's lasts until it has ended.
    """

    __slots__ = ("_above", "_id", "_plan", "_request", "_start", "status")

    def __init__(self, above: Span, plan: SpanPlan, request: Request, headers: dict[str, str]) -> None:
        self._above = above
        self._plan = plan
        self._request = request
        self._id = getrandbits(64) or 1
        self._start = time_ns()
        self.status = 0
        headers["traceparent"] = traceparent(above.trace, self._id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, GeneratorExit):  # who reads a stream has read enough of it
            error = None
        request, status, above = self._request, self.status, self._above
        number = request.scope[_Attempts] = request.scope.get(_Attempts, 0) + 1
        failure: Failure | None = None
        if status >= _CLIENT_ERROR:
            failure = str(status), ""
        elif error is not None:
            failure = failure_of(error)
        if failure is not None and not _CLIENT_ERROR <= status < _SERVER_ERROR:
            above.trace.failed = True
        above.leaf(self._plan, self._start, self._told(number), failure, self._id)

    def _told(self, number: int) -> dict[str, Value] | None:
        if not self._above.trace.recording:
            return None
        endpoint: Endpoint = self._request.scope[Endpoint]
        place = urlsplit(endpoint.url)
        told: dict[str, Value] = {"server.address": place.hostname or "", "server.port": place.port or 0}
        if self.status:
            told["http.response.status_code"] = self.status
        if number > 1:
            told["http.request.resend_count"] = number - 1
        return told
