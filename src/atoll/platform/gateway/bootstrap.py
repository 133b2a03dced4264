"""What Envoy starts with: its admin, its limits, and where to find everything else."""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.config_sources import source
from atoll.platform.gateway.options import GatewayOptions
from atoll.platform.gateway.typed import typed


def bootstrap(options: GatewayOptions) -> dict[str, Any]:
    """The Bootstrap message. The admin listens on loopback only: it can stop Envoy."""
    return {
        "node": {"id": "gateway", "cluster": "gateway"},
        "admin": {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": options.admin_port}},
            "ignore_global_conn_limit": True,
        },
        "dynamic_resources": {
            "lds_config": source("lds", "listeners"),
            "cds_config": source("cds", "clusters"),
        },
        "overload_manager": {"resource_monitors": [_max_connections(options.max_connections)]},
    }


def _max_connections(count: int) -> dict[str, Any]:
    config = typed(
        "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=count,
    )
    return {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": config}
