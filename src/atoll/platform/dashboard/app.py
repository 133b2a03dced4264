"""The dashboard as an ASGI application: the receiver, the query API as JSON, and the page."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Lifespan

from atoll.platform.dashboard import metrics, rates, receiver, records, traces
from atoll.platform.dashboard.asking import Unknown, Wrong, log_query, moment, trace_id, trace_query
from atoll.platform.dashboard.guard import Answer, Guard
from atoll.platform.dashboard.intake import Intake
from atoll.platform.dashboard.sqlite import Store

WEB = Path(__file__).parent / "web"
_MINUTE = 60 * 10**9  # nanoseconds
_MINUTES = 15 * _MINUTE
_HISTOGRAMS = {"operations": rates.SERVED, "calls": rates.CALLED, "events": rates.CONSUMED}


def dashboard(
    store: Store,
    intake: Intake,
    more: Sequence[BaseRoute] = (),
    *,
    token: str = "",
    lifespan: Lifespan[Starlette] | None = None,
    grpc: Callable[[], str] = str,
) -> ASGIApp:
    """The application. more: routes beside these (what acts on the system), lifespan: what runs as long as it does.

    token: what a caller from elsewhere must show; without one nobody from elsewhere is let in. grpc: where OTLP is taken over
    gRPC, to be told; empty if nowhere.
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
        "/api/store": lambda s, _: {"bytes": s.size(), "most": s.most, "grpc": grpc(), **_counts(intake)},
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
    except sqlite3.DatabaseError as error:
        return Answer({"error": f"the store could not answer ({error}); ask for less"}, 503)


def _rates(store: Store, query: Mapping[str, str]) -> object:
    until = traces.now()
    since = moment(query, "since") or until - _MINUTE
    found = {name: rates.rates(store, since, until, metric) for name, metric in _HISTOGRAMS.items()}
    return {"seconds": (until - since) / 1e9, **found}


def _since(query: Mapping[str, str]) -> int:
    return moment(query, "since") or traces.now() - _MINUTES


def _counts(intake: Intake) -> dict[str, int]:
    return asdict(intake.counts())
