"""Where the instances of a system answer: known while it runs here, and otherwise what a platform usually calls them."""

from __future__ import annotations

from dataclasses import dataclass

from atoll.system import System

PORT = 8000  # ATOLL_PORT's default


@dataclass(frozen=True, slots=True)
class Target:
    """One instance. address: ``host:port``, where it serves /metrics."""

    service: str
    instance: str
    address: str


def expected_targets(system: System) -> tuple[Target, ...]:
    """A service's name as its host, as in Compose or Kubernetes, and the default port; for a system that does not run here."""
    return tuple(Target(name, name, f"{name}:{PORT}") for name in measured(system))


def measured(system: System) -> tuple[str, ...]:
    """Names of the services that have /metrics: those that Atoll serves."""
    return tuple(service.name for service in system.services if service.serve)
