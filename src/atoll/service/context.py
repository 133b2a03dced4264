"""What flows from a request into the calls made while it is handled: its deadline, its caller, its trace."""

from __future__ import annotations

from contextvars import ContextVar

from atoll.service.request import Request

current_request: ContextVar[Request | None] = ContextVar("atoll_current_request", default=None)
"""The request that this task handles; None outside of one."""
