"""An immutable, versioned, self-checking version of everything that Envoy needs to know."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Resource = Mapping[str, Any]


def content_version(content: object) -> str:
    """A hash of JSON content: equal contents have equal versions."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


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
        return content_version([self.listeners, self.routes, self.clusters, self.endpoints, self.secrets])

    def problems(self) -> tuple[str, ...]:
        """What is inconsistent, one line each; empty if Envoy may have it."""
        return tuple(_problems(self))


def _problems(snapshot: Snapshot) -> Iterator[str]:
    yield from _twins("listener", [resource["name"] for resource in snapshot.listeners])
    yield from _twins("cluster", [resource["name"] for resource in snapshot.clusters])
    clusters = {resource["name"]: resource for resource in snapshot.clusters}
    for name, cluster in clusters.items():
        yield from _cluster_problems(snapshot, name, cluster)
    for name in sorted(set(snapshot.endpoints) - set(clusters)):
        yield f"endpoints of {name} belong to no cluster"
    for name, where in (
        *_mentioned(snapshot.routes, "cluster"),
        *_mentioned(snapshot.routes, "weight", take="name"),  # of clusters that share a route's requests
    ):
        if name not in clusters:
            yield f"{where} leads to cluster {name!r}, which is not there"
    for name, where in _mentioned(snapshot.listeners, "cluster"):
        if name not in clusters:
            yield f"listener: {where} uses cluster {name!r}, which is not there"
    yield from _listener_problems(snapshot)


def _twins(kind: str, names: list[str]) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{kind} {name} is there more than once"


def _cluster_problems(snapshot: Snapshot, name: str, cluster: Resource) -> Iterator[str]:
    if cluster.get("type") == "EDS" and name not in snapshot.endpoints:
        yield f"cluster {name} has no endpoints file"
    for secret, _ in _mentioned(cluster, "sds_config", take="name"):
        if secret not in snapshot.secrets:
            yield f"cluster {name} shows the secret {secret!r}, which is not there"


def _listener_problems(snapshot: Snapshot) -> Iterator[str]:
    routes = {resource["name"] for resource in snapshot.routes}
    for listener in snapshot.listeners:
        for manager in _managers(listener):
            wanted = manager.get("rds", {}).get("route_config_name")
            if wanted is not None and wanted not in routes:
                yield f"listener {listener['name']} uses routes {wanted!r}, which are not there"
            filters = manager.get("http_filters", [])
            if not filters or filters[-1]["name"] != "envoy.filters.http.router":
                yield f"listener {listener['name']}: the router must be the last HTTP filter, or requests hang"


def _managers(listener: Resource) -> Iterator[Resource]:
    for chain in listener.get("filter_chains", ()):
        for entry in chain.get("filters", ()):
            if entry["name"] == "envoy.filters.network.http_connection_manager":
                yield entry["typed_config"]


def _mentioned(node: object, key: str, *, take: str = "", where: str = "") -> Iterator[tuple[str, str]]:
    """(text, the nearest name above it) wherever ``key`` is in a tree; ``take``: the sibling whose text it is."""
    if isinstance(node, Mapping):
        where = str(node.get("name", where))
        value = node.get(take or key) if key in node else None
        if isinstance(value, str):
            yield value, where
        for child in node.values():
            yield from _mentioned(child, key, take=take, where=where)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from _mentioned(child, key, take=take, where=where)
