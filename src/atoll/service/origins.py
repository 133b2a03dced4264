"""`handling`: what a handler of lists does for one of its events belongs to that event's trace, not to that of the whole lot."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token

from atoll.service.context import current_request
from atoll.service.request import Request
from atoll.service.tracing import SpanPlan, traced


class Origins:
    """Where the events of a lot come from, in ``request.scope``. headers: by the event's identity. plan: of the span of one."""

    __slots__ = ("headers", "plan")

    def __init__(self, plan: SpanPlan, headers: Mapping[int, Mapping[str, str]]) -> None:
        self.plan = plan
        self.headers = headers


class handling:  # noqa: N801 - read as a verb: with handling(event)
    """In a handler of lists: what is published, called and logged in it is traced as work on this event.

        for event in events:
            with handling(event):
                await work.publish(...)

    Outside of a lot it changes nothing.
    """

    __slots__ = ("_event", "_token", "_traced")

    def __init__(self, event: object) -> None:
        self._event = event
        self._token: Token[Request | None] | None = None

    def __enter__(self) -> None:
        request = current_request.get()
        origins: Origins | None = None if request is None else request.scope.get(Origins)
        headers = None if origins is None else origins.headers.get(id(self._event))
        if request is None or origins is None or headers is None:
            return
        one = Request(request.name, self._event, headers=headers, deadline=request.deadline)
        one.scope = request.scope
        self._token = current_request.set(one)
        self._traced = traced(origins.plan, headers)
        self._traced.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._token is not None:
            self._traced.__exit__(kind, error, trace)
            current_request.reset(self._token)
            self._token = None
