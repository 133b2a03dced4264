"""What each service is told by environment variables: its names, its addresses and its secrets, and nobody else's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from atoll.platform.local.folder import Folder
from atoll.platform.local.ports import LOOPBACK, Ports
from atoll.platform.local.process import MARK
from atoll.platform.local.programs import Program
from atoll.platform.local.surroundings import of_a_service, prefix
from atoll.system import Service, System
from atoll.system.routes import destination

GATEWAY = "gateway"  # the peer name of the gateway
DRAIN_WAIT = "0.3"  # seconds; the local gateway and clients learn of a change within milliseconds


@dataclass(frozen=True, slots=True)
class Wiring:
    """The addresses that every service of a started system shares.

    root: folder of system.py. brokers, databases: service -> URL with its own password. keys_url: of the token issuer's keys.
    senders: variables that say where spans go, unless the user's own say so.
    """

    system: System
    root: Path
    folder: Folder
    registry_url: str
    brokers: dict[str, str]
    databases: dict[str, str]
    keys_url: str
    faults: bool = True
    senders: Mapping[str, str] = field(default_factory=dict)

    def environment(self, service: Service, instance: str, port: int, program: Program) -> dict[str, str]:
        """All variables of one instance: what it may have of the user's own, the protocol's, the service's settings."""
        variables = self._keys(service) | dict(self.senders) | users_own(self.system, service)
        variables = {name: value for name, value in (variables | dict(program.environment)).items() if value}
        names = self._names(service, instance, port) | {"ATOLL_RELEASE": program.release}
        variables |= names | self._addresses(service) | self._secrets(service)
        if not service.command:
            variables["PYTHONSAFEPATH"] = "1"  # the working folder must not shadow a package
        return variables | service.environment

    def _names(self, service: Service, instance: str, port: int) -> dict[str, str]:
        return {
            "ATOLL_HOST": LOOPBACK,
            "ATOLL_PORT": str(port),
            "PORT": str(port),
            "ATOLL_SYSTEM": self.system.name,
            "ATOLL_SERVICE": service.name,
            "ATOLL_INSTANCE": instance,
            "ATOLL_LOG": "text",
            "ATOLL_DRAIN_WAIT": DRAIN_WAIT,
            "ATOLL_FAULTS": "on" if self.faults else "off",
            MARK: str(self.folder.path),
        }

    def _addresses(self, service: Service) -> dict[str, str]:
        variables = {"ATOLL_REGISTRY_URL": self.registry_url}
        if service.name in self.databases:
            variables["ATOLL_DATABASE_URL"] = self.databases[service.name]
        if service.name in self.brokers:
            variables["ATOLL_BROKER_URL"] = self.brokers[service.name]
        gateway = self.system.gateway
        if gateway is not None and gateway.jwt is not None:
            variables["ATOLL_JWKS_URL"] = self.keys_url
            variables["ATOLL_JWT_ISSUER"] = gateway.jwt.issuer
            variables["ATOLL_JWT_AUDIENCE"] = gateway.jwt.audience
        return variables

    def _secrets(self, service: Service) -> dict[str, str]:
        callers = [other.name for other in self.system.services if service.name in other.calls]
        if service.name in routed(self.system):
            callers.append(GATEWAY)
        return {
            "ATOLL_REGISTRY_TOKEN": registry_token(self.folder, service.name),
            "ATOLL_PEERS": json.dumps({caller: self.edge(caller, service.name) for caller in callers}),
            "ATOLL_PEER_KEYS": json.dumps({callee: self.edge(service.name, callee) for callee in service.calls}),
        }

    def _keys(self, service: Service) -> dict[str, str]:
        """The issuer of tokens seals its signing keys with a secret of the data folder; the user's own goes before it."""
        if not serves_keys(self.system, service):
            return {}
        return {f"{prefix(service.name)}KEY_SECRET": self.folder.secret(f"keys:{service.name}")}

    def edge(self, caller: str, callee: str) -> str:
        """The secret that ``caller`` shows to ``callee``."""
        return edge_secret(self.folder, caller, callee)


def users_own(system: System, service: Service) -> dict[str, str]:
    """What of this process's environment is for the service."""
    return of_a_service(os.environ, service.name, (other.name for other in system.services))


def registry_token(folder: Folder, service: str) -> str:
    """What a service shows to the registry: it reads all addresses with it, and changes its own alone."""
    return folder.secret(f"registry:{service}")


def edge_secret(folder: Folder, caller: str, callee: str) -> str:
    """The secret that ``caller`` shows to ``callee``: each pair has its own."""
    return folder.secret(f"edge:{caller}>{callee}")


def routed(system: System) -> frozenset[str]:
    """The services that the gateway sends requests to."""
    if system.gateway is None:
        return frozenset()
    services = (destination(route, system) for route in system.gateway.routes)
    return frozenset(service.name for service in services if service is not None)


def serves_keys(system: System, service: Service) -> bool:
    """Whether it is the service that publishes the keys of the tokens."""
    gateway = system.gateway
    return gateway is not None and gateway.jwt is not None and gateway.jwt.service == service.name


def keys_url(system: System, ports: Ports) -> str:
    """Where the keys of the tokens are; empty without tokens."""
    gateway = system.gateway
    if gateway is None or gateway.jwt is None:
        return ""
    return f"http://{LOOPBACK}:{ports.take(f'{gateway.jwt.service}-1')}{gateway.jwt.jwks_path}"
