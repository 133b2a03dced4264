"""`HttpApp`: a service's operations as one ASGI callable."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from atoll.contracts import Error, Internal, MethodNotAllowed, NotFound, Operation, TooLarge, Unavailable
from atoll.contracts.ids import uuid7
from atoll.service import Handler, Health
from atoll.service.tracing import current_span
from atoll.transport.http.errors import RequestTimeout, UnreadBody
from atoll.transport.http.limits import HttpLimits
from atoll.transport.http.server.asgi import ASGIApp, Event, Identify, Receive, Scope, Send, Whole
from atoll.transport.http.server.body import Disconnected
from atoll.transport.http.server.exchange import BrokeOff, Endpoint, Exchange, send_reply
from atoll.transport.http.server.mounts import MountFailed, Mounts
from atoll.transport.http.server.observed import ObservedEndpoint
from atoll.transport.http.server.operation import OperationEndpoint
from atoll.transport.http.server.pages import document_page, health_pages, text_page
from atoll.transport.http.server.replies import CLOSE_HEADER, RawHeaders, Reply, problem_reply
from atoll.transport.http.server.router import Router

Report = Callable[[str, BaseException], None]
"""Told of each unexpected exception: "POST /orders", and the exception. The caller only sees a generic problem."""
_REQUEST_ID = b"x-request-id"
_SANE_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_logger = logging.getLogger("atoll.http")


def log_failure(what: str, failure: BaseException) -> None:
    """The default `Report`: one log record with the traceback."""
    _logger.error("%s failed: %s", what, type(failure).__name__, exc_info=failure)


class HttpApp:
    """Serves operations, health pages, documents and mounted ASGI applications.

    routes: the handler of each operation, with its layers around it; for a `Stream` it is an async generator, or returns
    one. identify: tells who calls. documents: JSON by path, ``/openapi.json`` say. mounts: ASGI applications by prefix;
    what the service serves itself comes first. pages: texts by path that are made anew for each request, ``/metrics`` say,
    from an ``accept`` header to content type and body. TypeError for two that serve the same.
    """

    def __init__(
        self,
        name: str,
        routes: Mapping[Operation[Any, Any], Handler],
        *,
        identify: Identify,
        health: Health,
        mounts: Mapping[str, ASGIApp] | None = None,
        documents: Mapping[str, bytes] | None = None,
        pages: Mapping[str, Callable[[str], tuple[str, bytes]]] | None = None,
        limits: HttpLimits | None = None,
        report: Report = log_failure,
    ) -> None:
        self.name = name
        self._health = health
        self._report = report
        self._mounts = Mounts(mounts or {})
        self._router = _router(routes, identify, health, documents or {}, limits or HttpLimits())
        for path, text in (pages or {}).items():
            _add(self._router, "GET", path, text_page(text))
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._closing = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, whole: Whole | None = None) -> None:
        """One ASGI connection: a request, a websocket (for mounts only) or the lifespan.

        whole: from a server that has it. What stands between a server and this application wraps receive and send alone.
        """
        kind = scope["type"]
        if kind == "http":
            self._in_flight += 1
            try:
                await self._http(scope, receive, send, whole)
            finally:
                self._in_flight -= 1
                if self._in_flight == 0 and self._closing.is_set():
                    self._idle.set()
        elif kind == "websocket":
            if not await self._mounts.serve(scope, receive, send):
                await send({"type": "websocket.close", "code": 1000, "reason": "there is no websocket here"})
        elif kind == "lifespan":
            await self._lifespan(receive, send)

    @property
    def in_flight(self) -> int:
        """Requests that are being handled now."""
        return self._in_flight

    async def drain(self) -> None:
        """Marks each further reply ``connection: close``; returns when nothing is in flight. Bound it with a timeout."""
        self._closing.set()
        if self._in_flight:
            self._idle.clear()
            await self._idle.wait()

    async def _http(self, scope: Scope, receive: Receive, send: Send, whole: Whole | None) -> None:
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        found = self._router.find(scope["method"], path)
        if found is None and not self._router.methods(path) and await self._mounts.serve(scope, receive, send):
            return
        exchange = Exchange(scope, receive, send, self._closing, whole)
        unread = False
        try:
            if found is None:
                reply: Reply | None = self._unrouted(scope, path)
            else:
                endpoint, exchange.values = found
                reply = await endpoint(exchange)
        except Error as error:
            reply = problem_reply(error, scope["path"], close=isinstance(error, (TooLarge, RequestTimeout)))
            unread = isinstance(error, UnreadBody)
        except asyncio.CancelledError:
            if not self._closing.is_set():
                raise
            reply = problem_reply(Unavailable("the service stopped before it was done"), scope["path"])
        except Disconnected:
            return
        except BrokeOff as broken:
            self._report(f"{scope['method']} {scope['path']}", broken.__cause__ or broken)
            return
        except Exception as failure:  # whatever a handler raises is reported, and is one generic problem to the caller
            reply = self._failed(exchange, failure)
        if reply is not None:
            await send_reply(exchange, reply, self._common(exchange), unread=receive if unread else None)

    def _unrouted(self, scope: Scope, path: bytes) -> Reply:
        methods = self._router.methods(path)
        if not methods:
            raise NotFound(f"nothing is served at {scope['path']}")
        allow = ", ".join(sorted({*methods, "OPTIONS"}))
        if scope["method"] == "OPTIONS":
            return Reply(204, [(b"allow", allow.encode())], b"")
        raise MethodNotAllowed(f"{scope['path']} allows {allow}", headers={"allow": allow})

    def _failed(self, exchange: Exchange, failure: Exception) -> Reply:
        scope = exchange.scope
        exchange.headers.raw.setdefault(_REQUEST_ID, str(uuid7()).encode())
        token = current_span.set(exchange.span)  # it has ended, and the log still tells which one it was
        try:
            self._report(f"{scope['method']} {scope['path']} ({exchange.headers[_REQUEST_ID.decode()]})", failure)
        finally:
            current_span.reset(token)
        return problem_reply(Internal("the service failed; its log says why, under this x-request-id"), scope["path"])

    def _common(self, exchange: Exchange) -> RawHeaders:
        headers: RawHeaders = []
        request_id = exchange.headers.raw.get(_REQUEST_ID)
        if request_id is not None and _SANE_ID.fullmatch(request_id):
            headers.append((_REQUEST_ID, request_id))
        if self._health.draining or self._closing.is_set():
            headers.append(CLOSE_HEADER)
        return headers

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        answer: Event = {"type": "lifespan.startup.complete"}
        await receive()
        try:
            await self._mounts.start()
        except MountFailed as failure:
            answer = {"type": "lifespan.startup.failed", "message": str(failure)}
        await send(answer)
        await receive()
        await self._mounts.stop()
        await send({"type": "lifespan.shutdown.complete"})


def _router(
    routes: Mapping[Operation[Any, Any], Handler],
    identify: Identify,
    health: Health,
    documents: Mapping[str, bytes],
    limits: HttpLimits,
) -> Router[Endpoint]:
    router: Router[Endpoint] = Router()
    for operation, handler in routes.items():
        endpoint = OperationEndpoint(operation, handler, identify, limits)
        _add(router, operation.method, operation.path, ObservedEndpoint(operation, endpoint))
    for path, page in health_pages(health).items():
        _add(router, "GET", path, page)
    for path, document in documents.items():
        _add(router, "GET", path, document_page(document))
    return router


def _add(router: Router[Endpoint], method: str, path: str, endpoint: Endpoint) -> None:
    router.add(method, path, endpoint)
    if method == "GET":
        router.add("HEAD", path, endpoint)  # the server leaves the body out
