"""The operations of all services, from their own OpenAPI documents, and trying one through the gateway."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from atoll.cli.dashboard.reach import Reach, answering, body_of
from atoll.platform.dashboard.asking import Wrong
from atoll.system.trouble import Trouble

MOST_REPLY = 1_048_576  # bytes
WITHIN = 30.0  # seconds
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_DOCUMENT = "/openapi.json"


class Try(msgspec.Struct, forbid_unknown_fields=True):
    """A request to the gateway. path: with its query. body: text; empty: none."""

    method: str
    path: str
    headers: dict[str, str] = {}
    body: str = ""


def routes(reach: Reach) -> list[Route]:
    """The paths."""

    async def documents(_: Request) -> object:
        status = await reach.call("GET", "/v1/status")
        return {"documents": await run_in_threadpool(_documents, status)}

    async def attempt(request: Request) -> object:
        wanted = await body_of(request, Try)
        _check(wanted)
        status = await reach.call("GET", "/v1/status")
        if not status["gateway"]:
            raise Trouble("the system has no gateway, so there is nothing to send a request to")
        return await run_in_threadpool(_send, status["gateway"], wanted)

    return [Route("/api/apis", answering(documents)), Route("/api/try", answering(attempt), methods=["POST"])]


def _documents(status: Mapping[str, Any]) -> dict[str, Any]:
    """service -> its document; services that have none are left out."""
    found = {}
    for name, service in status["services"].items():
        for instance in service["instances"]:
            document = _document(instance["url"]) if instance["state"] == "ready" else None
            if document is not None:
                found[name] = document
                break
    return found


def _document(url: str) -> Any:
    try:
        status, _, body, _ = exchange(url, "GET", _DOCUMENT, {}, b"", within=3.0)
        return json.loads(body) if status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None  # a service in another language may have no document, or be gone meanwhile


def _check(wanted: Try) -> None:
    if wanted.method not in _METHODS:
        raise Wrong(f"method is {wanted.method[:20]!r}; take one of {', '.join(sorted(_METHODS))}")
    if not re.fullmatch(r"/[\x21-\x7e]*", wanted.path):
        raise Wrong(f"path is {wanted.path[:60]!r}; it begins with / and has no spaces or control characters")
    for name, value in wanted.headers.items():
        if not _HEADER.fullmatch(name) or not value.isprintable() or not value.isascii():
            raise Wrong(f"the header {name[:60]!r} cannot be sent like this")


def _send(gateway: str, wanted: Try) -> dict[str, Any]:
    trace = secrets.token_hex(16)
    headers = {"content-type": "application/json", **{name.lower(): value for name, value in wanted.headers.items()}}
    headers.setdefault("traceparent", f"00-{trace}-{secrets.token_hex(8)}-01")
    begun = time.perf_counter()
    try:
        status, got, body, cut = exchange(
            gateway, wanted.method, wanted.path, headers, wanted.body.encode(), within=WITHIN
        )
    except (OSError, http.client.HTTPException) as error:
        raise Trouble(f"the gateway does not answer: {error}") from None
    return {
        "status": status,
        "headers": got,
        "body": body.decode(errors="replace"),
        "cut": cut,
        "seconds": time.perf_counter() - begun,
        "trace": headers["traceparent"].split("-")[1] if headers["traceparent"].count("-") == 3 else "",
    }


def exchange(
    url: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *, within: float, most: int = MOST_REPLY
) -> tuple[int, dict[str, str], bytes, bool]:
    """Status, headers, at most so many bytes of the reply, and whether there were more. OSError, HTTPException."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port or 80, timeout=within)
    try:
        connection.request(method, path, body or None, dict(headers))
        reply = connection.getresponse()
        got = reply.read(most + 1)
        return reply.status, dict(reply.getheaders()), got[:most], len(got) > most
    finally:
        connection.close()
