"""EDS: where a service's instances are, with their share of its traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atoll.platform.gateway.options import Endpoint


def load_assignment(service: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The ClusterLoadAssignment resource; without endpoints the service's routes answer 503."""
    taking = [_endpoint(endpoint) for endpoint in endpoints if endpoint.weight > 0]
    return {"cluster_name": service, "endpoints": [{"lb_endpoints": taking}] if taking else []}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    address, port = endpoint.address
    return {
        "endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}},
        "load_balancing_weight": endpoint.weight,
        "metadata": {"filter_metadata": {"atoll": {"instance": endpoint.instance, "release": endpoint.release}}},
    }
