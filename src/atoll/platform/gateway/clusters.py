"""CDS: one cluster a service. Its endpoints come from a file of their own, so that scaling touches nothing else."""

from __future__ import annotations

from typing import Any

from atoll.contracts.policies import BreakerPolicy, ClientPolicy
from atoll.platform.gateway.config_sources import endpoints_source
from atoll.platform.gateway.options import GatewayOptions
from atoll.platform.gateway.releases import subsets
from atoll.platform.gateway.secrets import injected_secret
from atoll.platform.gateway.typed import seconds, typed

CONNECT_TIMEOUT = "1s"
# Below the five seconds after which common servers close an idle connection: a reused one is never closed under a request.
KEEP_ALIVE = "4s"
MAX_CONNECTIONS = 1024
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def service_cluster(service: str, policy: ClientPolicy, options: GatewayOptions, name: str = "") -> dict[str, Any]:
    """The Cluster resource of a service. policy: how the gateway calls it, as any client inside does.

    name: of a second cluster of that service, which doesn't tell releases apart.
    """
    return {
        "name": name or service,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": endpoints_source(name or service)},
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "LEAST_REQUEST",
        **({} if name else subsets()),
        # No panic: better an honest 503 than requests to an instance that is known to be bad.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [_thresholds(policy)]},
        "outlier_detection": _outlier_detection(policy.breaker),
        "typed_extension_protocol_options": {_HTTP_OPTIONS: _http_options(service, options)},
    }


def _thresholds(policy: ClientPolicy) -> dict[str, Any]:
    return {
        "max_connections": MAX_CONNECTIONS,
        "max_pending_requests": MAX_CONNECTIONS,
        "max_requests": policy.in_flight,
        # Envoy counts retries under way where we count retries a second; with replies within a second it is the stricter.
        "retry_budget": {
            "budget_percent": {"value": policy.budget.share * 100},
            "min_retry_concurrency": round(policy.budget.per_second),
        },
    }


def _outlier_detection(policy: BreakerPolicy) -> dict[str, Any]:
    """Takes out an instance that cannot be reached or answers 502-504 so often in a row, and never more than half."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_gateway_failure": policy.in_a_row,
        "enforcing_consecutive_gateway_failure": 100,
        "enforcing_consecutive_5xx": 0,  # a defect (500) shows on every instance alike
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "consecutive_local_origin_failure": policy.in_a_row,
        "interval": "1s",
        "base_ejection_time": seconds(policy.shortest),
        "max_ejection_time": seconds(policy.longest),
        "max_ejection_percent": 50,
    }


def _http_options(service: str, options: GatewayOptions) -> dict[str, Any]:
    protocol = typed(
        _HTTP_OPTIONS,
        explicit_http_config={"http_protocol_options": {}},
        common_http_protocol_options={"idle_timeout": KEEP_ALIVE},
    )
    if options.peer_secrets.get(service):
        codec = typed("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec")
        protocol["http_filters"] = [
            injected_secret(service),
            {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
        ]
    return protocol
