"""The dashboard as an ASGI application: the receiver, the query API as JSON, and the page."""

from __future__ import annotations

import hmac
import ipaddress
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from atoll.platform.dashboard import metrics, rates, receiver, records, traces
from atoll.platform.dashboard.asking import Unknown, Wrong, log_query, moment, trace_id, trace_query
from atoll.platform.dashboard.intake import Intake
from atoll.platform.dashboard.sqlite import Store

WEB = Path(__file__).parent / "web"
_encode = msgspec.json.Encoder().encode
_MINUTE = 60 * 10**9  # nanoseconds
_MINUTES = 15 * _MINUTE
_HISTOGRAMS = {"operations": rates.SERVED, "calls": rates.CALLED, "events": rates.CONSUMED}
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


def dashboard(
    store: Store,
    intake: Intake,
    more: Sequence[BaseRoute] = (),
    *,
    token: str = "",
    lifespan: Lifespan[Starlette] | None = None,
) -> ASGIApp:
    """The application. more: routes beside these (what acts on the system), lifespan: what runs as long as it does.

    token: what a caller from elsewhere must show; without one nobody from elsewhere is let in.
    """
    queries: dict[str, Callable[[Store, Mapping[str, str]], object]] = {
        "/api/traces": lambda s, q: {"traces": traces.find_traces(s, trace_query(q))},
        "/api/logs": lambda s, q: {"logs": records.find_logs(s, log_query(q))},
        "/api/metrics": lambda s, _: {"metrics": metrics.metric_names(s)},
        "/api/metric": lambda s, q: metrics.draw(s, metrics.metric_query(q)),
        "/api/rates": _rates,
        "/api/edges": lambda s, q: {"edges": traces.edges(s, _since(q))},
        "/api/roots": lambda s, q: {"roots": traces.roots(s, _since(q))},
        "/api/senders": lambda s, q: {"services": traces.services(s, _since(q))},
        "/api/store": lambda s, _: {"bytes": s.size(), **_counts(intake)},
    }
    routes = [
        *receiver.routes(intake),
        *(Route(path, _answering(store, query)) for path, query in queries.items()),
        Route("/api/traces/{trace}", _one_trace(store)),
        *more,
    ]
    if WEB.is_dir():
        routes.append(Mount("/", StaticFiles(directory=WEB, html=True)))
    return Guard(Starlette(routes=routes, lifespan=lifespan), token)


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
                extra = {**_SAFE, "cache-control": "no-store"}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in given),
                ]
            await send(message)

        await self._application(scope, receive, guarded)

    def _refusal(self, request: Request) -> Response | None:
        if not self._may(request):
            text = "show the token that `atoll up` printed: Authorization: Bearer …, or open the page with ?token=…"
            return Answer({"error": text}, 401, {"www-authenticate": "Bearer"})
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
        here = request.client is not None and _loopback(request.client.host)
        named = request.scope["path"].startswith("/v1/") or _loopback(request.url.hostname or "")
        return (here and named) or self._shows_token(request)

    def _shows_token(self, request: Request) -> bool:
        cookies = SimpleCookie(request.headers.get("cookie", ""))
        shown = (
            request.headers.get("authorization", "").removeprefix("Bearer "),
            request.query_params.get("token", ""),
            cookies[_COOKIE].value if _COOKIE in cookies else "",
        )
        return bool(self._token) and any(hmac.compare_digest(one.encode(), self._token.encode()) for one in shown)


def _answering(store: Store, query: Callable[[Store, Mapping[str, str]], object]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        return await answered(lambda: query(store, request.query_params))

    return answer


def _one_trace(store: Store) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        return await answered(lambda: traces.one_trace(store, trace_id(request.path_params["trace"])))

    return answer


async def answered(ask: Callable[[], object]) -> Response:
    """The answer as JSON; what cannot be answered as ``{"error": text}``."""
    try:
        return Answer(await run_in_threadpool(ask))
    except Wrong as error:
        return Answer({"error": str(error)}, 400)
    except Unknown as error:
        return Answer({"error": str(error)}, 404)
    except sqlite3.OperationalError as error:
        return Answer({"error": f"the store could not answer ({error}); ask for less"}, 503)


def _rates(store: Store, query: Mapping[str, str]) -> object:
    until = traces.now()
    since = moment(query, "since") or until - _MINUTE
    found = {name: rates.rates(store, since, until, metric) for name, metric in _HISTOGRAMS.items()}
    return {"seconds": (until - since) / 1e9, **found}


def _since(query: Mapping[str, str]) -> int:
    return moment(query, "since") or traces.now() - _MINUTES


def _counts(intake: Intake) -> dict[str, int]:
    counts = intake.counts()
    return {"kept": counts.kept, "shed": counts.shed, "failed": counts.failed, "waiting": counts.waiting}


def _loopback(host: str) -> bool:
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
