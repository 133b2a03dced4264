"""The part of the checks that is about the gateway: where each route leads, who may pass, and which routes collide."""

from __future__ import annotations

from collections.abc import Iterator

from atoll.contracts.operations import Api, route_shape
from atoll.system.model import Gateway, Route, Service, System


def check_routes(system: System) -> Iterator[tuple[str, str]]:
    """(place, text) of each finding about the gateway."""
    gateway = system.gateway
    if gateway is None:
        return
    names = {service.name for service in system.services}
    yield from _keys(gateway, names)
    for route in gateway.routes:
        if isinstance(route.target, str):
            yield from _prefix(route, route.target, names)
        else:
            yield from _api(route, route.target, system)
        if gateway.jwt is None and _needs_caller(route):
            yield (
                route.place,
                f"Route {label(route)} needs a caller, but the gateway has no jwt; add jwt=Jwt(...), or make it public",
            )
    yield from _collisions(gateway)


def label(route: Route) -> str:
    """How a message names the route."""
    return repr(route.target) if isinstance(route.target, str) else route.target.__name__


def destination(route: Route, system: System) -> Service | None:
    """The service that answers the route; None if it leads nowhere."""
    for service in system.services:
        if route.to:
            if service.name == route.to:
                return service
        elif not isinstance(route.target, str) and route.target in service.offers:
            return service
    return None


def _keys(gateway: Gateway, names: set[str]) -> Iterator[tuple[str, str]]:
    if gateway.jwt is not None and gateway.jwt.service not in names:
        yield gateway.jwt.place, f"Jwt: {gateway.jwt.service!r} is not a service; name the one that serves the keys"


def _prefix(route: Route, prefix: str, names: set[str]) -> Iterator[tuple[str, str]]:
    if not prefix.startswith("/") or "?" in prefix or "#" in prefix:
        yield route.place, f"Route {prefix!r}: a prefix is a path such as '/catalog'"
    if not route.to:
        yield route.place, f"Route {prefix!r} leads nowhere; say to=SERVICE"
    elif route.to not in names:
        yield route.place, f"Route {prefix!r} leads nowhere: {route.to!r} is not a service; correct to="
    if route.timeout < 0:
        yield route.place, f"Route {prefix!r}: timeout is {route.timeout} s; it must be 0 (none) or more"


def _api(route: Route, api: type[Api], system: System) -> Iterator[tuple[str, str]]:
    service = destination(route, system)
    if service is None:
        where = f"{route.to!r} is not a service" if route.to else "no service offers it"
        yield route.place, f"Route {api.__name__} leads nowhere: {where}; add {api.__name__} to a service's offers"
    elif api not in service.offers:
        yield (
            route.place,
            f"Route {api.__name__} leads nowhere: {service.name!r} does not offer it; add it to its offers",
        )
    if not api.operations_:
        yield route.place, f"Route {api.__name__} leads nowhere: it has no operations; give it one"


def _needs_caller(route: Route) -> bool:
    if isinstance(route.target, str):
        return not route.public
    return any(not operation.access.public for operation in route.target.operations_)


def _collisions(gateway: Gateway) -> Iterator[tuple[str, str]]:
    taken: dict[tuple[str, str], tuple[str, Route]] = {}
    for route in gateway.routes:
        for key, text in _keys_of(route):
            first_text, first = taken.setdefault(key, (text, route))
            if first is not route:
                yield (
                    route.place,
                    f"Route {label(route)}: {text} collides with {first_text} of {label(first)} ({first.place}); change one",
                )


def _keys_of(route: Route) -> Iterator[tuple[tuple[str, str], str]]:
    if isinstance(route.target, str):
        yield ("", route.target.rstrip("/")), route.target
        return
    for operation in route.target.operations_:
        shape = route_shape(operation)
        yield (shape.method, shape.path), f"{operation.method} {operation.path}"
