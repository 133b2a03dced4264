"""From the model and the endpoints to a snapshot: a pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from atoll.platform.gateway.clusters import service_cluster
from atoll.platform.gateway.endpoints import load_assignment
from atoll.platform.gateway.entries import Entry, gateway_entries
from atoll.platform.gateway.faults import EdgeFault
from atoll.platform.gateway.listener import listener
from atoll.platform.gateway.options import Endpoint, GatewayModelError, GatewayOptions
from atoll.platform.gateway.releases import SHADOW, Releases, Shadow
from atoll.platform.gateway.routes import Destinations, route_configuration
from atoll.platform.gateway.secrets import peer_secret
from atoll.platform.gateway.snapshot import Snapshot
from atoll.platform.gateway.tracing import receiver_cluster
from atoll.system import Gateway, System

NO_FAULTS: Mapping[str, EdgeFault] = {}
NO_SHADOWS: Mapping[str, Shadow] = {}


def compile_snapshot(
    system: System,
    endpoints: Mapping[str, Sequence[Endpoint]],
    options: GatewayOptions,
    faults: Mapping[str, EdgeFault] = NO_FAULTS,
    shadows: Mapping[str, Shadow] = NO_SHADOWS,
) -> Snapshot:
    """The snapshot of ``system.gateway`` with each service's endpoints (none: its routes answer 503).

    faults: ordered ones, by service. shadows: what gets copies of requests, by service.

    `GatewayModelError`, one line, if the model cannot become a gateway.
    """
    gateway = system.gateway
    if gateway is None:
        raise GatewayModelError(
            f"{system.place}: system {system.name} has no gateway; give System(gateway=Gateway(...))"
        )
    entries = gateway_entries(system, gateway)
    services = _services(system, gateway, entries)
    copied = {service: shadows[service] for service in services if service in shadows}
    releases = {service: Releases.of(service, endpoints.get(service, ())) for service in services}
    destinations = Destinations(releases, copied)
    return Snapshot(
        listeners=(listener(gateway, options),),
        routes=(route_configuration(gateway, entries, faults if options.faults else NO_FAULTS, destinations),),
        clusters=(
            *(service_cluster(service, gateway.resilience, options) for service in services),
            *(service_cluster(service, gateway.resilience, options, f"{service}{SHADOW}") for service in copied),
            receiver_cluster(options.otlp_url),
        ),
        endpoints={
            **{service: load_assignment(service, endpoints.get(service, ())) for service in services},
            **{
                f"{service}{SHADOW}": load_assignment(
                    f"{service}{SHADOW}",
                    [endpoint for endpoint in endpoints.get(service, ()) if endpoint.release == shadow.release],
                )
                for service, shadow in copied.items()
            },
        },
        secrets={
            name: peer_secret(name, options.peer_secrets[name]) for name in services if options.peer_secrets.get(name)
        },
    )


def _services(system: System, gateway: Gateway, entries: Sequence[Entry]) -> list[str]:
    """The services that the gateway must reach: its routes' and the one that serves the keys."""
    names = {entry.service for entry in entries}
    if gateway.jwt is not None:
        if not any(service.name == gateway.jwt.service for service in system.services):
            raise GatewayModelError(
                f"{gateway.jwt.place}: the gateway's keys come from service {gateway.jwt.service!r},"
                " which the system does not have"
            )
        names.add(gateway.jwt.service)
    return sorted(names)
