"""RDS: one virtual host with a route for each entry, and the policies that travel with it.

Policies are on the routes and not in the listener, so that changing one never touches a connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from atoll.platform.gateway import access, body_limit, cors, faults, jwt, rate_limit
from atoll.platform.gateway.deadlines import deadline_headers, route_timeouts
from atoll.platform.gateway.entries import Entry
from atoll.platform.gateway.matches import EVENTS, WEBSOCKET, covers, prefix_rewrite, route_match
from atoll.platform.gateway.releases import Releases, Shadow, mirror
from atoll.platform.gateway.retries import retry_policy
from atoll.platform.gateway.typed import header
from atoll.system import Gateway

ROUTES = "gateway"


@dataclass(frozen=True, slots=True)
class Destinations:
    """releases: of each service. shadows: which of them gets copies of safe requests, by service."""

    releases: Mapping[str, Releases] = field(default_factory=dict)
    shadows: Mapping[str, Shadow] = field(default_factory=dict)

    def of(self, service: str) -> Releases:
        return self.releases.get(service) or Releases(service)


def route_configuration(
    gateway: Gateway,
    entries: Sequence[Entry],
    ordered: Mapping[str, faults.EdgeFault],
    destinations: Destinations,
) -> dict[str, Any]:
    """The RouteConfiguration resource. ordered: faults by service."""
    exact = [entry for entry in entries if not entry.is_prefix]
    prefixes = [entry for entry in entries if entry.is_prefix]

    def routes(entry: Entry, kind: _Kind = _Kind.PLAIN) -> Iterator[dict[str, Any]]:
        for route in _by_release(_route(gateway, entry, kind), entry, kind, destinations):
            yield _with_fault(route, entry, ordered)

    host: dict[str, Any] = {
        "name": ROUTES,
        "domains": ["*"],
        "routes": [
            *(route for entry in exact for route in routes(entry)),
            *_other_methods(gateway, exact),
            *(route for entry in prefixes for kind in _prefix_kinds(entry) for route in routes(entry, kind)),
        ],
    }
    if gateway.cors is not None:
        host["typed_per_filter_config"] = cors.policy(gateway.cors)
    # A route to a cluster that is not there would be accepted otherwise, and answer 503.
    return {"name": ROUTES, "virtual_hosts": [host], "validate_clusters": True}


def _by_release(
    route: dict[str, Any], entry: Entry, kind: _Kind, destinations: Destinations
) -> Iterator[dict[str, Any]]:
    """The route once for each way to ask for a release, then for a shadow's safe requests, then for everybody."""
    releases, shadow = destinations.of(entry.service), destinations.shadows.get(entry.service)
    for wish, target in releases.pins():
        yield _narrowed(route, wish, target)
    target = releases.target()
    if shadow is not None and kind is _Kind.PLAIN and not entry.streams and entry.method in {"", "GET"}:
        yield _narrowed(route, _GET, {**target, **mirror(entry.service, shadow)})
    yield _narrowed(route, None, target)


def _narrowed(route: dict[str, Any], wish: Mapping[str, Any] | None, target: Mapping[str, Any]) -> dict[str, Any]:
    """The route for requests that have that header as well, to that target."""
    match = route["match"]
    if wish is not None:
        match = {**match, "headers": [*match.get("headers", ()), wish]}
    return {**route, "match": match, "route": {**target, **route["route"]}}


def _with_fault(route: dict[str, Any], entry: Entry, ordered: Mapping[str, faults.EdgeFault]) -> dict[str, Any]:
    """The route with the fault that was ordered for its service; the mark stays here."""
    policy = faults.route_policy(ordered.get(entry.service))
    if policy:
        route["typed_per_filter_config"] = {**route.get("typed_per_filter_config", {}), **policy}
        route["request_headers_to_remove"] = [*route.get("request_headers_to_remove", ()), faults.MARK]
    return route


class _Kind(Enum):
    """What a request asks for, beside its path."""

    PLAIN = ""
    EVENTS = " (events)"
    WEBSOCKET = " (websocket)"


_GET = {"name": ":method", "string_match": {"exact": "GET"}}
_HEADERS = {_Kind.PLAIN: (), _Kind.EVENTS: EVENTS, _Kind.WEBSOCKET: WEBSOCKET}


def _prefix_kinds(entry: Entry) -> tuple[_Kind, ...]:
    """A prefix may lead to any program: its websockets and server-sent events get routes without a time limit."""
    return (*((_Kind.WEBSOCKET,) if entry.websocket else ()), _Kind.EVENTS, _Kind.PLAIN)


def _route(gateway: Gateway, entry: Entry, kind: _Kind = _Kind.PLAIN) -> dict[str, Any]:
    streams = entry.streams or kind is not _Kind.PLAIN
    route = {
        "name": entry.name + kind.value,
        "match": route_match(entry, _HEADERS[kind]),
        "route": {
            **prefix_rewrite(entry),
            **route_timeouts(entry, streams=streams),
            "retry_policy": retry_policy(entry, gateway.resilience.retry),
            "upgrade_configs": [{"upgrade_type": "websocket"}] if kind is _Kind.WEBSOCKET else [],
        },
        "request_headers_to_add": [*deadline_headers(entry, streams=streams), *_prefix_header(entry)],
        # Identity travels in the atoll-* headers, so the token stays behind. A public operation may have its own use for
        # the header (OAuth 2 clients show their secret in it), and a program behind a prefix may read the token itself.
        "request_headers_to_remove": [] if entry.is_prefix or entry.access.public else ["authorization"],
        "typed_per_filter_config": {
            **jwt.route_policy(gateway.jwt, entry),
            **access.route_policy(entry),
            **rate_limit.route_policy(entry),
            **body_limit.route_policy(entry, websocket=kind is _Kind.WEBSOCKET),
        },
    }
    return {key: value for key, value in route.items() if value}


def _prefix_header(entry: Entry) -> list[dict[str, Any]]:
    """Tells a program where it is mounted (what FastAPI calls root_path)."""
    return [header("x-forwarded-prefix", entry.path)] if entry.strip else []


def _other_methods(gateway: Gateway, exact: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """After all operations, for each path: browsers' preflights, and 405 for a method that is not there."""
    seen: set[str] = set()
    for entry in exact:
        if entry.shape not in seen:
            seen.add(entry.shape)
            if gateway.cors is not None:
                yield _preflight(gateway, entry)
            yield _wrong_method(gateway, entry, exact)


def _preflight(gateway: Gateway, entry: Entry) -> dict[str, Any]:
    """The cors filter answers it; it never reaches the service."""
    return {
        "name": f"{entry.path} (preflight)",
        "match": route_match(entry, cors.PREFLIGHT, any_method=True),
        "route": {"cluster": entry.service},
        **_without_tokens(gateway),
    }


def _wrong_method(gateway: Gateway, entry: Entry, exact: Sequence[Entry]) -> dict[str, Any]:
    allowed = sorted({other.method for other in exact if covers(other, entry.path)})
    return {
        "name": f"{entry.path} (other methods)",
        "match": route_match(entry, any_method=True),
        "direct_response": {"status": 405},
        "response_headers_to_add": [header("allow", ", ".join(allowed))],
        **_without_tokens(gateway),
    }


def _without_tokens(gateway: Gateway) -> dict[str, Any]:
    return {"typed_per_filter_config": jwt.disabled()} if gateway.jwt is not None else {}
