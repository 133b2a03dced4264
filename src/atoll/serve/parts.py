"""One function for each part that a service may have: from its environment to the adapter, or one line of why not."""

from __future__ import annotations

from atoll.data import Database
from atoll.discovery import BuiltinRegistry, Registry, StaticRegistry
from atoll.messaging import Broker, open_broker
from atoll.security import Identify, TokenVerifier, make_identify
from atoll.serve.environment import Environment
from atoll.serve.failure import CannotServe
from atoll.serve.sagas import consumed_events
from atoll.service import Service
from atoll.transport.http import HttpClient

JWKS_TIMEOUT = 2.0  # seconds for one fetch of the keys
# Connections that are made before the first request: a password's check (SCRAM) keeps the event loop busy for some 15 ms each.
WARM = 4


def database_of(service: Service, environment: Environment, *, warm: int = WARM) -> Database | None:
    """The service's database, if it owns one. warm: connections that are made at its start."""
    if not service.migrations:
        if consumed_events(service) or service.publishes or service.sagas or service.projections:
            raise CannotServe(
                f"{service.name} has events, sagas or projections, so it needs a database for its outbox, inbox and journal: "
                "give Service(...) migrations='package:folder'"
            )
        return None
    if not environment.database_url:
        raise CannotServe(
            f"{service.name} owns a database; set ATOLL_DATABASE_URL (postgresql://role:password@host:port/name)"
        )
    source = f"/{environment.system}/{service.name}"
    publishes = service.publishes or None
    return Database(environment.database_url, service=service.name, source=source, min_size=warm, publishes=publishes)


def broker_of(service: Service, environment: Environment) -> Broker | None:
    """The broker, if the service publishes or consumes anything."""
    if not (service.publishes or consumed_events(service)):
        return None
    if not environment.broker_url:
        raise CannotServe(
            f"{service.name} publishes or consumes events; set ATOLL_BROKER_URL (nats://host:port or memory://)"
        )
    try:
        return open_broker(environment.broker_url, system=environment.system)
    except ValueError as error:
        raise CannotServe(f"ATOLL_BROKER_URL: {error}") from None


def registry_of(environment: Environment, http: HttpClient) -> Registry:
    """Where other services are: named by the environment, or told by the registry."""
    if environment.registry_url:
        return BuiltinRegistry(environment.registry_url, token=environment.registry_token, http=http)
    return StaticRegistry(environment.endpoints)


def refuse_unknown_callees(service: Service, environment: Environment) -> None:
    """CannotServe if the environment does not say where a called service is, or with which secret to call it."""
    if environment.registry_url:
        for api in service.calls:
            if api.service_ not in environment.peer_keys:
                raise CannotServe(
                    f"{service.name} calls {api.service_}, but its system does not say so: add calls=({api.service_!r},) to "
                    f"Service({service.name!r}) in system.py (without it ATOLL_PEER_KEYS has no secret for {api.service_}), "
                    f"or, if the service is called otherwise there, write class {api.__name__}(Api, service='its name')"
                )
        return
    for api in service.calls:
        if not environment.endpoints.get(api.service_):
            variable = f"ATOLL_ENDPOINTS_{api.service_.upper().replace('-', '_')}"
            raise CannotServe(
                f"{service.name} calls {api.service_}; set ATOLL_REGISTRY_URL, or {variable} to its base URL"
            )


def tokens_of(environment: Environment, http: HttpClient) -> TokenVerifier | None:
    """What verifies the tokens of direct callers, if the environment says where their issuer's keys are."""
    if not environment.jwks_url:
        return None
    if not (environment.jwt_issuer and environment.jwt_audience):
        raise CannotServe("ATOLL_JWKS_URL is set; set ATOLL_JWT_ISSUER and ATOLL_JWT_AUDIENCE too")

    async def fetch(url: str) -> bytes:
        reply = await http.send("GET", url, {"accept": "application/json"}, timeout=JWKS_TIMEOUT)
        if reply.status != 200:
            raise ConnectionError(f"{url} answered {reply.status}")
        return reply.body

    return TokenVerifier(environment.jwks_url, environment.jwt_issuer, environment.jwt_audience, fetch)


def identify_of(environment: Environment, tokens: TokenVerifier | None) -> Identify:
    """Who asks, from a request's headers."""
    try:
        return make_identify(environment.peers, tokens)
    except ValueError as error:
        raise CannotServe(f"ATOLL_PEERS: {error}") from None
