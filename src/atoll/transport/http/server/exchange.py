"""One request and the means to answer it, handed to whatever answers a path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

from atoll.service.tracing import Span
from atoll.transport.http.server.asgi import Receive, Scope, Send, Whole
from atoll.transport.http.server.body import discard
from atoll.transport.http.server.headers import Headers
from atoll.transport.http.server.replies import Reply
from atoll.transport.http.server.router import NO_VALUES, Values


class Exchange:
    """values: the path's parameters, in order. span: of an operation that is traced.

    closing: set when the server drains, so that endless replies end. whole: beside receive and send, where the server has it.
    """

    __slots__ = ("closing", "headers", "receive", "scope", "send", "span", "values", "whole")

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, closing: asyncio.Event, whole: Whole | None = None
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.closing = closing
        self.whole = whole
        self.headers = Headers(scope["headers"])
        self.values: Values = NO_VALUES
        self.span: Span | None = None


class BrokeOff(Exception):
    """The reply had begun when the handler failed; its cause is to be reported, and nothing more can be sent."""


class Endpoint(Protocol):
    """Answers one method of one path."""

    def __call__(self, exchange: Exchange, /) -> Awaitable[Reply | None]:
        """The reply, or None if it has sent one itself; a contract's Error becomes its problem document."""


async def send_reply(
    exchange: Exchange, reply: Reply, extra: list[tuple[bytes, bytes]], *, unread: Receive | None = None
) -> None:
    """Sends a whole reply at once. unread: of a body that is not wanted; read and forgotten before the connection closes."""
    send, headers = exchange.send, reply.headers
    if extra:
        headers = [*headers, *extra]
    if reply.own and unread is None:
        whole = exchange.whole
        if whole is not None and whole.answer(reply.status, headers, reply.body):
            return
    start: dict[str, Any] = {"type": "http.response.start", "status": reply.status, "headers": headers}
    await send(start)
    if unread is not None:
        await send({"type": "http.response.body", "body": reply.body, "more_body": True})
        await discard(unread)
        await send({"type": "http.response.body"})
        return
    await send({"type": "http.response.body", "body": reply.body})
