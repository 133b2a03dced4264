"""Where Envoy reads each kind of resource: one watched directory a kind (its name here is the directory's).

Snapshots name paths relative to the gateway's folder, so that they say the same wherever they go; `anchored` makes the
paths absolute when they are written there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def source(kind: str, name: str) -> dict[str, Any]:
    """A ConfigSource for ``<kind>/<name>.json``, read again whenever a file is renamed into that directory."""
    return {
        "path_config_source": {"path": f"{kind}/{name}.json", "watched_directory": {"path": kind}},
        "resource_api_version": "V3",
    }


def routes_source() -> dict[str, Any]:
    """Where the listener finds its routes."""
    return source("rds", "routes")


def endpoints_source(service: str) -> dict[str, Any]:
    """Where a service's cluster finds its endpoints."""
    return source("eds", service)


def secret_source(service: str) -> dict[str, Any]:
    """Where a service's cluster finds the secret that it shows."""
    return source("sds", service)


def anchored(node: Any, folder: Path) -> Any:
    """A copy of a resource in which every config source's paths are absolute."""
    if isinstance(node, dict):
        if "watched_directory" in node:
            directory = node["watched_directory"]["path"]
            return {"path": str(folder / node["path"]), "watched_directory": {"path": str(folder / directory)}}
        return {key: anchored(value, folder) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [anchored(value, folder) for value in node]
    return node
