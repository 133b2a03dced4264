"""LDS: the one listener that clients reach, hardened as Envoy's documentation asks of an edge proxy."""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.access_log import access_log
from atoll.platform.gateway.config_sources import routes_source
from atoll.platform.gateway.filters import http_filters
from atoll.platform.gateway.identity import client_headers_removed
from atoll.platform.gateway.local_replies import local_reply_config
from atoll.platform.gateway.options import GatewayOptions
from atoll.platform.gateway.routes import ROUTES
from atoll.platform.gateway.tls import transport_socket
from atoll.platform.gateway.tracing import tracing
from atoll.platform.gateway.typed import typed
from atoll.system import Gateway

HEADERS_KB = 32  # all request headers together
HEADERS_COUNT = 100
HEADERS_TIMEOUT = "10s"  # from a request's first byte to the end of its headers
REQUEST_TIMEOUT = "60s"  # from its first byte to the end of its body
CONNECTION_IDLE = "300s"
BUFFER_BYTES = 65_536  # per connection and direction, beyond what a body limit allows


def listener(gateway: Gateway, options: GatewayOptions) -> dict[str, Any]:
    """The Listener resource."""
    chain: dict[str, Any] = {
        "filters": [
            {
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": _connection_manager(gateway, options),
            }
        ],
        **transport_socket(gateway, options),
    }
    return {
        "name": "gateway",
        "address": {"socket_address": {"address": gateway.address, "port_value": options.port}},
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "filter_chains": [chain],
    }


def _connection_manager(gateway: Gateway, options: GatewayOptions) -> dict[str, Any]:
    return typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="gateway",
        codec_type="AUTO",  # HTTP/1.1, and HTTP/2 by ALPN or by prior knowledge
        rds={"route_config_name": ROUTES, "config_source": routes_source()},
        http_filters=http_filters(gateway, options),
        upgrade_configs=[{"upgrade_type": "websocket", "enabled": False}],  # off unless a route asks for it
        early_header_mutation_extensions=client_headers_removed(),
        local_reply_config=local_reply_config(),
        access_log=[access_log(options.access_log)],
        tracing=tracing(options.otlp_url, options.trace_share),
        **_limits(),
        **_requests(),
    )


def _limits() -> dict[str, Any]:
    return {
        "max_request_headers_kb": HEADERS_KB,
        "request_headers_timeout": HEADERS_TIMEOUT,
        "request_timeout": REQUEST_TIMEOUT,
        "stream_idle_timeout": CONNECTION_IDLE,
        "common_http_protocol_options": {
            "idle_timeout": CONNECTION_IDLE,
            "max_headers_count": HEADERS_COUNT,
            # Many programs take atoll_subject and atoll-subject for the same header.
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
            "allow_connect": True,  # websockets over HTTP/2
        },
    }


def _requests() -> dict[str, Any]:
    return {
        "use_remote_address": True,
        # No client is trusted, whatever its address: its x-envoy-* headers are removed. (An empty list trusts loopback.)
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "0.0.0.0", "prefix_len": 32}]},
        "generate_request_id": True,  # always a new one: a client's x-request-id is replaced
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "strip_any_host_port": True,
        "server_name": "atoll",
    }
