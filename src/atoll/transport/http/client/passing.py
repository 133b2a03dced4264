"""The headers that go with a call: who calls, for whom, how much time is left, and what it belongs to."""

from __future__ import annotations

import hashlib
from typing import Any

from atoll.contracts import Operation
from atoll.contracts.ids import uuid7
from atoll.resilience.retry import IDEMPOTENCY_KEY
from atoll.service import Caller, Request
from atoll.service.baggage import HEADER as BAGGAGE
from atoll.service.baggage import baggage_header
from atoll.service.tracing import trace_headers

REQUEST_ID = "x-request-id"


def passed_headers(current: Request | None, peer_header: str | None) -> dict[str, str]:
    """What flows from the request that is being handled now into a call. Identity only goes with a peer's own proof."""
    headers = trace_headers(None if current is None else current.headers)
    if peer_header is not None:
        headers["atoll-peer"] = peer_header
    if carried := baggage_header():
        headers[BAGGAGE] = carried
    if current is None:
        return headers
    request_id = current.headers.get(REQUEST_ID)
    if request_id is not None:
        headers[REQUEST_ID] = request_id
    if peer_header is not None and current.caller is not None and current.caller.subject:
        headers.update(_identity(current.caller))
    return headers


def idempotency_key(operation: Operation[Any, Any], current: Request | None, target: str, body: bytes) -> str:
    """The key of one call, the same for each of its attempts.

    It derives from the current request's key, so that a repeat of that request repeats this call under its old key; two
    different calls made for one request get different keys.
    """
    outer = None if current is None else current.headers.get(IDEMPOTENCY_KEY)
    if outer is None:
        return str(uuid7())
    parts = f"{outer}\n{operation.qualified}\n{target}".encode()
    return hashlib.sha256(parts + b"\n" + body).hexdigest()[:32]


def _identity(caller: Caller) -> dict[str, str]:
    headers = {"atoll-subject": caller.subject}
    if caller.scopes:
        headers["atoll-scopes"] = " ".join(sorted(caller.scopes))
    if caller.roles:
        headers["atoll-roles"] = " ".join(sorted(caller.roles))
    return headers
