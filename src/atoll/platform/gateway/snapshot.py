"""An immutable, versioned, self-checking version of everything that Envoy needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Envoy's resources as plain dicts, ready for JSON.

    listeners, routes, clusters: LDS, RDS and CDS resources. endpoints: {service: its ClusterLoadAssignment} (EDS).
    secrets: {service: its Secret} (SDS); never printed.
    """

    listeners: tuple[Resource, ...] = ()
    routes: tuple[Resource, ...] = ()
    clusters: tuple[Resource, ...] = ()
    endpoints: Mapping[str, Resource] = field(default_factory=dict)
    secrets: Mapping[str, Resource] = field(default_factory=dict, repr=False)

    @property
    def version(self) -> str:
        """A hash of the content: equal snapshots have equal versions."""
        raise NotImplementedError

    def problems(self) -> tuple[str, ...]:
        """What is inconsistent, one line each; empty if Envoy may have it."""
        raise NotImplementedError
