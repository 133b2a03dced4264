"""Where Envoy reads each kind of resource: one watched directory a kind (its name here is the directory's)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atoll.platform.gateway.options import GatewayOptions


def source(folder: Path, kind: str, name: str) -> dict[str, Any]:
    """A ConfigSource for ``<folder>/<kind>/<name>.json``, read again whenever a file is renamed into that directory."""
    directory = folder / kind
    return {
        "path_config_source": {"path": str(directory / f"{name}.json"), "watched_directory": {"path": str(directory)}},
        "resource_api_version": "V3",
    }


def routes_source(options: GatewayOptions) -> dict[str, Any]:
    """Where the listener finds its routes."""
    return source(options.folder, "rds", "routes")


def endpoints_source(options: GatewayOptions, service: str) -> dict[str, Any]:
    """Where a service's cluster finds its endpoints."""
    return source(options.folder, "eds", service)


def secret_source(options: GatewayOptions, service: str) -> dict[str, Any]:
    """Where a service's cluster finds the secret that it shows."""
    return source(options.folder, "sds", service)
