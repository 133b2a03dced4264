"""EDS: where a service's instances are, with their release and their share of its traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atoll.platform.gateway.options import Endpoint
from atoll.platform.gateway.releases import SUBSET


def load_assignment(name: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The ClusterLoadAssignment resource; without endpoints the service's routes answer 503.

    A release without any share is there as well: a tester may ask for it.
    """
    sharing = {endpoint.release for endpoint in endpoints if endpoint.weight > 0} | {""}
    there = [
        _endpoint(endpoint)
        for endpoint in endpoints
        if endpoint.weight > 0 or not endpoint.healthy or endpoint.release not in sharing
    ]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": there}] if there else []}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    address, port = endpoint.address
    subset = {SUBSET: {"release": endpoint.release}} if endpoint.release else {}
    names = {"atoll": {"instance": endpoint.instance, "release": endpoint.release}}
    return {
        "endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}},
        **({} if endpoint.healthy else {"health_status": "UNHEALTHY"}),
        "load_balancing_weight": max(1, endpoint.weight),
        "metadata": {"filter_metadata": {**names, **subset}},
    }
