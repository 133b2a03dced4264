"""The parts of a system, made from its model: which run here, which are given, and on which ports."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from atoll.platform.local.accounts import make_accounts
from atoll.platform.local.dashboard import OwnDashboard
from atoll.platform.local.envoy import OwnEnvoy
from atoll.platform.local.folder import Folder
from atoll.platform.local.given import GivenBroker
from atoll.platform.local.kafka import OwnKafka
from atoll.platform.local.nats import OwnNats
from atoll.platform.local.options import Options
from atoll.platform.local.parts import BrokerPart, LocalPart
from atoll.platform.local.ports import Ports, require_free
from atoll.platform.local.postgres import GivenPostgres, OwnPostgres, database_url
from atoll.platform.local.rabbitmq import OwnRabbitMQ
from atoll.system import Gateway, Kafka, Nats, RabbitMQ, System, Trouble
from atoll.system.servers import BROKERS, kind_of

_CONNECTIONS_EACH = 20  # an instance's pool, and its relay and migrations
_CONNECTIONS_SPARE = 40


def applied(system: System, options: Options) -> System:
    """The model with the options in it."""
    gateway = system.gateway
    if gateway is not None and (options.port is not None or options.isolated):
        gateway = replace(gateway, port=options.port if options.port is not None else 0)
    system = replace(system, gateway=gateway, broker=_chosen_broker(system, options))
    if not options.isolated:
        return system
    postgres = replace(system.postgres, address="") if system.postgres is not None else None
    broker = replace(system.broker, address="") if system.broker is not None else None
    return replace(system, postgres=postgres, broker=broker)


def _chosen_broker(system: System, options: Options) -> Nats | RabbitMQ | Kafka | None:
    """The model's, or one of the kind that was asked for."""
    broker = system.broker
    if not options.broker or (broker is not None and kind_of(broker).name == options.broker):
        return broker
    if broker is None:
        raise Trouble(f"{system.place}: --broker {options.broker}: the system has no broker; add broker=Nats()")
    return BROKERS[options.broker](place=broker.place)


@dataclass(slots=True)
class Parts:
    """The parts; None where the system has none."""

    postgres: OwnPostgres | GivenPostgres | None
    broker: BrokerPart | None
    envoy: OwnEnvoy | None
    dashboard: OwnDashboard | None = None

    def all(self) -> tuple[LocalPart, ...]:
        """In the order in which they are stopped last: the gateway first, the page about the others last."""
        every = (self.envoy, self.broker, self.postgres, self.dashboard)
        return tuple(part for part in every if part is not None)


def make_parts(system: System, folder: Folder, ports: Ports, board: Path | None = None) -> Parts:
    """Nothing is started yet. board: system.py, if a dashboard is wanted. Trouble if the gateway's port is in use."""
    dashboard = OwnDashboard(folder, ports.take("dashboard"), board) if board is not None else None
    senders = dashboard.senders(os.environ) if dashboard is not None else {}
    broker = broker_of(system, folder, ports)
    return Parts(_postgres(system, folder, ports), broker, _envoy(system, folder, ports, senders), dashboard)


def _postgres(system: System, folder: Folder, ports: Ports) -> OwnPostgres | GivenPostgres | None:
    part = system.postgres
    if part is None:
        return None
    if part.address:
        return GivenPostgres(part.address, part.place)
    instances = sum(service.instances for service in system.services if service.database)
    connections = max(100, instances * 2 * _CONNECTIONS_EACH + _CONNECTIONS_SPARE)  # twice: a reload has old and new
    return OwnPostgres(folder, ports.take("postgres"), connections, part.durable)


def broker_of(system: System, folder: Folder, ports: Ports) -> BrokerPart | None:
    """The system's broker, not started yet; None without one."""
    part = system.broker
    if part is None:
        return None
    if part.address:
        return GivenBroker(part)
    accounts = make_accounts(system, folder)
    if isinstance(part, RabbitMQ):
        taken = (ports.take("rabbitmq"), ports.take("rabbitmq-dist"), ports.take("rabbitmq-epmd"))
        return OwnRabbitMQ(folder, taken, accounts)
    if isinstance(part, Kafka):
        return OwnKafka(folder, (ports.take("kafka"), ports.take("kafka-controller")), accounts, part.durable)
    return OwnNats(folder, ports.take("nats"), accounts, part.durable)


def _envoy(system: System, folder: Folder, ports: Ports, senders: Mapping[str, str]) -> OwnEnvoy | None:
    gateway = system.gateway
    if gateway is None:
        return None
    if gateway.port:
        require_gateway_port(gateway)
    port = gateway.port or ports.take("gateway")
    opened = replace(system, gateway=replace(gateway, port=port))
    return OwnEnvoy(folder, opened, gateway, (port, ports.take("envoy-admin")), senders)


def require_gateway_port(gateway: Gateway) -> str:
    """The port, as a person reads it; Trouble if it is in use, or may not be taken."""
    if gateway.port:
        require_free(gateway.port, gateway.address or "0.0.0.0", f"{gateway.place}: the gateway")
    return f"port {gateway.port} is free" if gateway.port else "takes a free port"


def given_parts(system: System) -> list[GivenPostgres | GivenBroker]:
    """The servers whose addresses the model gives."""
    given: list[GivenPostgres | GivenBroker] = []
    if system.postgres is not None and system.postgres.address:
        given.append(GivenPostgres(system.postgres.address, system.postgres.place))
    if system.broker is not None and system.broker.address:
        given.append(GivenBroker(system.broker))
    return given


def database_names(system: System) -> dict[str, str]:
    """service -> its database (and role). At a given server, which others may use too, the system's name is part of it."""
    given = system.postgres is not None and bool(system.postgres.address)
    return {
        service.name: f"{system.name}_{service.name}".replace("-", "_") if given else service.name
        for service in system.services
        if service.database
    }


def database_urls(system: System, server: OwnPostgres | GivenPostgres | None, folder: Folder) -> dict[str, str]:
    """service -> the URL that it is told."""
    if server is None:
        return {}
    return {
        service: database_url(server, name, database_password(folder, name))
        for service, name in database_names(system).items()
    }


def broker_urls(system: System, broker: BrokerPart | None) -> dict[str, str]:
    """service -> the URL of the broker that it is told."""
    if broker is None:
        return {}
    return {service.name: broker.url_for(service.name) for service in system.services if service.events}


def database_password(folder: Folder, name: str) -> str:
    """The password of the role of that name."""
    return folder.secret(f"database:{name}")
