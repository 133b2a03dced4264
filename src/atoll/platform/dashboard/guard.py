"""Who is let in, and what keeps a page from doing harm."""

from __future__ import annotations

import hmac
import ipaddress
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

CLOSED = Path(__file__).parent / "closed.html"
_encode = msgspec.json.Encoder().encode
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[\w.-]+)(:[0-9]{1,5})?", re.ASCII)
_COOKIE = "atoll-dashboard"
# What a page may do: nothing but talk to its own server. Everything it shows was written by somebody else.
_SAFE = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Answer(Response):
    """A JSON reply that is never cached."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return _encode(content)


class Guard:
    """Lets in who may: from this machine under a local name, or with the token. Adds what keeps a page from doing harm."""

    def __init__(self, application: ASGIApp, token: str) -> None:
        self._application = application
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        request = Request(scope)
        if refusal := self._refusal(request):
            await refusal(scope, receive, send)
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                extra = {**_SAFE, "cache-control": "no-store", **self._remembered(request)}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in given),
                ]
            await send(message)

        await self._application(scope, receive, guarded)

    def _refusal(self, request: Request) -> Response | None:
        if not self._may(request):
            return _closed(request)
        if (
            request.method not in {"GET", "HEAD"}
            and not request.url.path.startswith("/v1/")
            and not _same_origin(request)
        ):
            return Answer({"error": "this may only be asked by the dashboard's own page"}, 403)
        return None

    def _may(self, request: Request) -> bool:
        """A page of another site that resolves its name to this machine bears that name in Host, so the name counts too.

        Not for what only takes telemetry in: Envoy bears the name of a cluster there, and nothing can be read.
        """
        here = request.client is not None and loopback(request.client.host)
        named = request.scope["path"].startswith("/v1/") or loopback(_named(request.headers.get("host", "")))
        return (here and named) or self._shows_token(request)

    def _remembered(self, request: Request) -> dict[str, str]:
        """A page that was opened with the token asks for its own files without it, so that the browser keeps it."""
        if not self._is_token(request.query_params.get("token", "")):
            return {}
        return {"set-cookie": f"{_COOKIE}={quote(self._token, safe='')}; Path=/; HttpOnly; SameSite=Strict"}

    def _shows_token(self, request: Request) -> bool:
        shown = (
            request.headers.get("authorization", "").removeprefix("Bearer "),
            request.query_params.get("token", ""),
            unquote(request.cookies.get(_COOKIE, "")),
        )
        return any(self._is_token(one) for one in shown)

    def _is_token(self, shown: str) -> bool:
        return bool(self._token) and hmac.compare_digest(shown.encode(), self._token.encode())


def _closed(request: Request) -> Response:
    """For a program one line, for a person a page that asks for the token."""
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        policy = (
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(
            CLOSED.read_text("utf-8"), 401, {"content-security-policy": policy, "cache-control": "no-store"}
        )
    text = "show the token: Authorization: Bearer …, or open the page with ?token=…"
    return Answer({"error": text}, 401, {"www-authenticate": "Bearer"})


def _named(host: str) -> str:
    """The name in a Host header as it stands, without its port; empty for what is none, which is nobody here."""
    found = _HOST.fullmatch(host)
    return found["name"] if found else ""


def loopback(host: str) -> bool:
    """Whether a host is this machine, by its address or its name."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _same_origin(request: Request) -> bool:
    """A browser says where a request comes from; a program that is no browser says nothing, and must name its purpose."""
    origin = request.headers.get("origin")
    if origin is not None:
        return origin == f"{request.url.scheme}://{request.headers.get('host', '')}"
    return request.headers.get("atoll-dashboard") == "1"
