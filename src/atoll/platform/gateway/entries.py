"""The gateway's routes in a form between the model and Envoy: one entry for each operation or path prefix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from atoll.contracts import Access, Api, RateLimit
from atoll.contracts.operations import DEFAULT_BODY_LIMIT, Operation
from atoll.platform.gateway.options import GatewayModelError
from atoll.system import Gateway, Route, System

PARAMETER = re.compile(r"\{[a-z_][a-z0-9_]*\}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that the gateway lets in.

    name: ``orders.place`` or ``/catalog``. path: a template (exact) or, where ``method`` is empty, a prefix.
    deadline: seconds. strip: whether the prefix is taken off before the request goes on.
    """

    name: str
    service: str
    path: str
    method: str
    access: Access
    rate_limit: RateLimit
    body_limit: int
    deadline: float
    idempotent: bool = False
    streams: bool = False
    strip: bool = False
    websocket: bool = False

    @property
    def is_prefix(self) -> bool:
        """Whether everything below the path matches, with any method."""
        return not self.method

    @property
    def shape(self) -> str:
        """The path without its parameters' names: equal shapes match the same paths."""
        return PARAMETER.sub("{}", self.path)


def gateway_entries(system: System, gateway: Gateway) -> tuple[Entry, ...]:
    """All entries, the most specific first, which is the order in which Envoy must try them."""
    entries = [entry for route in gateway.routes for entry in _route_entries(system, gateway, route)]
    _refuse_twins(entries, gateway)
    return tuple(sorted(entries, key=_specificity))


def _route_entries(system: System, gateway: Gateway, route: Route) -> Iterator[Entry]:
    if isinstance(route.target, str):
        yield _prefix_entry(system, gateway, route, route.target)
        return
    service = _service_of(system, route, route.target)
    for operation in route.target.operations_:
        if not operation.access.peers or "gateway" in operation.access.peers:
            yield _operation_entry(gateway, service, operation, route)


def _operation_entry(gateway: Gateway, service: str, operation: Operation[object, object], route: Route) -> Entry:
    own_limit = operation.http.body_limit
    entry = Entry(
        name=operation.qualified,
        service=service,
        path=operation.path,
        method=operation.method,
        access=operation.access,
        rate_limit=operation.http.rate_limit or gateway.rate_limit,
        body_limit=gateway.body_limit if own_limit == DEFAULT_BODY_LIMIT else own_limit,
        deadline=operation.deadline,
        idempotent=operation.idempotent,
        streams=operation.streams,
    )
    return _needing_tokens(entry, gateway, route)


def _prefix_entry(system: System, gateway: Gateway, route: Route, prefix: str) -> Entry:
    if not prefix.startswith("/") or (prefix != "/" and prefix.endswith("/")) or {"?", "#"} & set(prefix):
        raise GatewayModelError(
            f"{route.place}: route {prefix!r}: a prefix is like '/catalog', with no slash at its end"
        )
    entry = Entry(
        name=prefix,
        service=_known(system, route.to, route),
        path=prefix,
        method="",
        access=Access(public=route.public, scopes=route.scopes, roles=route.roles),
        rate_limit=route.rate_limit or gateway.rate_limit,
        body_limit=gateway.body_limit,
        deadline=route.timeout,
        strip=not route.keep_prefix and prefix != "/",
        websocket=route.websocket,
    )
    return _needing_tokens(entry, gateway, route)


def _service_of(system: System, route: Route, api: type[Api]) -> str:
    if route.to:
        return _known(system, route.to, route)
    offering = [service.name for service in system.services if api in service.offers]
    return offering[0] if offering else _known(system, api.service_, route)


def _known(system: System, name: str, route: Route) -> str:
    if any(service.name == name for service in system.services):
        return name
    target = route.target if isinstance(route.target, str) else route.target.__name__
    raise GatewayModelError(
        f"{route.place}: route {target!r} leads to service {name!r}, which the system does not have"
    )


def _needing_tokens(entry: Entry, gateway: Gateway, route: Route) -> Entry:
    if gateway.jwt is None and not entry.access.public:
        raise GatewayModelError(
            f"{route.place}: {entry.name} needs a caller, but the gateway has no jwt; give Gateway(jwt=...) or make it public"
        )
    return entry


def _refuse_twins(entries: list[Entry], gateway: Gateway) -> None:
    seen: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        twin = seen.setdefault((entry.method, entry.shape), entry)
        if twin is not entry:
            route = f"{entry.method} {entry.path}".strip()
            names = f"{twin.name} ({twin.service}) and {entry.name} ({entry.service})"
            raise GatewayModelError(f"{gateway.place}: {names} have the same route {route}; keep one")


def _specificity(entry: Entry) -> tuple[object, ...]:
    """Exact paths, then templates (plain text before a parameter, from the left), then prefixes, the longest first."""
    if entry.is_prefix:
        return (1, -len(entry.path), entry.path)
    segments = tuple((segment.startswith("{"), segment) for segment in entry.path.split("/"))
    return (0, segments, entry.method)
