"""The model of a whole system: services, their parts and the references between them. Inert data; interpreters do the work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from atoll.contracts import Api, Operation, RateLimit
from atoll.contracts.policies import ClientPolicy
from atoll.system.places import place as _place
from atoll.system.rollout import BlueGreen, Canary, Rolling
from atoll.system.types import require_types


@dataclass(frozen=True, slots=True)
class Part:
    """A server that the system needs besides its services. ``address``: use this running one instead of starting our own."""

    address: str = ""
    place: str = field(default_factory=_place, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        require_types(self, self.place)


@dataclass(frozen=True, slots=True)
class Postgres(Part):
    """One PostgreSQL server; each service that asks gets a database and a role of its own. address: an admin's URL.

    durable: fsync and its like stay on. Off only for throw-away tests.
    """

    durable: bool = True


@dataclass(frozen=True, slots=True)
class Nats(Part):
    """NATS with JetStream as the broker. address: nats://[user:password@]host:port.

    durable: a message is on the disk before it is acknowledged. Off only for throw-away tests.
    """

    durable: bool = True


@dataclass(frozen=True, slots=True)
class RabbitMQ(Part):
    """RabbitMQ with its streams as the broker. address: amqp://[user:password@]host:port[/vhost], or amqps://.

    There is no ``durable``: its streams are written to the disk soon after they are acknowledged, and nothing changes that.
    """


@dataclass(frozen=True, slots=True)
class Kafka(Part):
    """Kafka as the broker. address: kafka://[user:password@]host:port[,host:port], or kafka+tls://.

    durable: a message is on the disk before it is acknowledged. Off only for throw-away tests.
    """

    durable: bool = True


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the system.

    name: lower-case word; its database, role, logs and address bear it.
    serve: ``package.module:attribute`` of an atoll Service. asgi: the same of any ASGI application (FastAPI, say).
    command: the argv of a program in any language that listens on $ATOLL_HOST:$ATOLL_PORT. Exactly one of the three.
    source: folder with its code, relative to system.py; put on the import path, and watched for reload.
    offers: the contracts that it implements. calls: names of services it calls (may be called only if declared).
    database: whether it owns a database. events: whether it publishes or consumes any, and so is told where the broker is.
    instances: how many processes. environment: its own settings.
    health: path that answers 200 when it is ready ("/health/ready" for atoll services; "" for a foreign one means
      "ready when the port accepts").
    publishes, consumes: subjects of events, of a foreign service: nobody can ask its code, and `atoll check` wants to know.
    rollout: how `atoll deploy` moves it to another release: Canary(...), BlueGreen(...) or Rolling(...); None is Canary().
    """

    name: str
    serve: str = ""
    asgi: str = ""
    command: tuple[str, ...] = ()
    source: str = ""
    offers: tuple[type[Api], ...] = ()
    calls: tuple[str, ...] = ()
    database: bool = False
    events: bool = False
    instances: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    health: str | None = None
    publishes: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()
    rollout: Canary | BlueGreen | Rolling | None = None
    place: str = field(default_factory=_place, compare=False)

    def __post_init__(self) -> None:
        require_types(self, self.place)

    @property
    def ready_path(self) -> str:
        """The readiness path; empty for a service that only has a port."""
        if self.health is not None:
            return self.health
        return "/health/ready" if self.serve or self.asgi else ""


@dataclass(frozen=True, slots=True)
class Route:
    """What the gateway lets in.

    An Api class: each of its operations at its own method and path, with its access, limits and deadline.
    A path prefix such as "/catalog" with ``to`` a service's name: everything below it, the prefix stripped unless
    ``keep_prefix``.
    access and limits are for prefix routes (an Api's operations carry their own); ``public`` means no token is needed.
    """

    target: type[Api] | str
    to: str = ""
    keep_prefix: bool = False
    public: bool = False
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    rate_limit: RateLimit | None = None
    timeout: float = 15.0
    websocket: bool = True
    place: str = field(default_factory=_place, compare=False)

    def __post_init__(self) -> None:
        require_types(self, self.place)


@dataclass(frozen=True, slots=True)
class Jwt:
    """Whose tokens the gateway accepts. service: who serves the keys."""

    service: str
    issuer: str
    audience: str
    jwks_path: str = "/.well-known/jwks.json"
    place: str = field(default_factory=_place, compare=False)

    def __post_init__(self) -> None:
        require_types(self, self.place)


@dataclass(frozen=True, slots=True)
class Cors:
    """Browser origins that may call; exact ("https://shop.example") or with one ``*`` as a sub-domain."""

    origins: tuple[str, ...] = ()
    credentials: bool = False

    def __post_init__(self) -> None:
        require_types(self, _place())


@dataclass(frozen=True, slots=True)
class Gateway:
    """The API gateway (Envoy). port 0 takes a free one. tls: serve HTTPS with a development certificate.

    resilience: how it calls the services: retries and their budget, breaker, requests in flight; as any client inside.
    """

    routes: tuple[Route, ...] = ()
    port: int = 8080
    jwt: Jwt | None = None
    cors: Cors | None = None
    rate_limit: RateLimit = RateLimit(requests=100, per=1.0)
    body_limit: int = 1_048_576
    tls: bool = False
    resilience: ClientPolicy = field(default_factory=ClientPolicy)
    address: str = "127.0.0.1"
    place: str = field(default_factory=_place, compare=False)

    def __post_init__(self) -> None:
        require_types(self, self.place)


@dataclass(frozen=True, slots=True)
class Slo:
    """What the callers of an operation or a service may rely on; alerts tell when the rest is used up too fast.

    target: an operation such as ``Orders.place``, or the name of a service: all of its operations.
    availability: percent of requests that are not answered by 5xx. latency: seconds within which ``quick`` percent of them are
      answered; 0 promises nothing. It is one of the bounds that the services' histograms have. days: the period that is meant.
    """

    target: Operation[Any, Any] | str
    availability: float = 99.9
    latency: float = 0.0
    quick: float = 99.0
    days: float = 30.0
    place: str = field(default_factory=_place, compare=False)

    def __post_init__(self) -> None:
        require_types(self, self.place)

    @property
    def name(self) -> str:
        """``orders.place`` or ``orders``: also the label that its operation's requests bear."""
        return self.target if isinstance(self.target, str) else self.target.qualified


@dataclass(frozen=True, slots=True)
class System:
    """The graph of services, parts and references. Make one in system.py; every command reads it.

    broker: what carries the events; which one it is is this one word.
    slos: what is promised to callers; `atoll publish prometheus` makes alerts of them.
    hints: lines that ``atoll up`` prints when all is ready (a first request, say); ``{gateway}`` stands for the gateway's URL.
    """

    name: str
    services: tuple[Service, ...] = ()
    gateway: Gateway | None = None
    postgres: Postgres | None = None
    broker: Nats | RabbitMQ | Kafka | None = None
    hints: tuple[str, ...] = ()
    slos: tuple[Slo, ...] = ()
    place: str = field(default_factory=_place, compare=False)

    def __post_init__(self) -> None:
        require_types(self, self.place)

    def service(self, name: str) -> Service:
        """The service of that name; KeyError if there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)
