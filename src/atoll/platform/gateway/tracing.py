"""W3C trace context: a client's trace is continued, a new one is made otherwise; spans go to an OTLP receiver if there is one.

Without a receiver new traces are marked as not sampled: their ids still tie logs together, and nobody keeps spans.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from atoll.platform.gateway.options import GatewayModelError
from atoll.platform.gateway.typed import typed

RECEIVER = "atoll.otlp"  # the cluster; no service's name has a dot
_TAGS = {
    "http.request.method": "%REQ(:METHOD)%",
    "http.response.status_code": "%RESPONSE_CODE%",
    "http.route": "%ROUTE_NAME%",
    "atoll.instance": "%UPSTREAM_METADATA(atoll:instance)%",
    "atoll.release": "%UPSTREAM_METADATA(atoll:release)%",
}  # OpenTelemetry's names of today beside Envoy's own, which are older
_NOWHERE = "http://127.0.0.1/v1/traces"  # Envoy's tracer insists on an exporter; its cluster has no endpoint then


def tracing(otlp_url: str, share: float = 1.0) -> dict[str, Any]:
    """The listener's tracing: makes and passes on trace context even when nobody takes spans."""
    exporter = {"http_uri": {"uri": otlp_url or _NOWHERE, "cluster": RECEIVER, "timeout": "1s"}}
    config = typed(
        "envoy.config.trace.v3.OpenTelemetryConfig",
        service_name="gateway",
        http_service=exporter,
        sampler=_sampler("parent_based", "ParentBased", wrapped_sampler=_new_traces(share if otlp_url else 0.0)),
    )
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": config},
        "spawn_upstream_span": False,
        "operation": "%REQ(:METHOD)% %ROUTE_NAME%",
        "max_path_tag_length": 0,  # a path, and the query string with it, may hold anybody's name; the route tells
        "custom_tags": [{"tag": name, "value": value} for name, value in _TAGS.items()],
    }


def receiver_cluster(otlp_url: str) -> dict[str, Any]:
    """The cluster of the receiver; without one it has no endpoint."""
    endpoints = [{"lb_endpoints": [_endpoint(otlp_url)]}] if otlp_url else []
    return {
        "name": RECEIVER,
        "type": "STATIC" if _is_address(otlp_url) else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": RECEIVER, "endpoints": endpoints},
    }


def _new_traces(share: float) -> dict[str, Any]:
    """The sampler of traces that start here; one that a client started keeps its own decision."""
    return _sampler("trace_id_ratio_based", "TraceIdRatioBased", sampling_percentage=_percentage(share))


def _percentage(share: float) -> dict[str, Any]:
    if share in {0.0, 1.0}:
        return {"numerator": round(share * 100)}
    return {"numerator": round(share * 1_000_000), "denominator": "MILLION"}


def _sampler(name: str, message: str, **fields: Any) -> dict[str, Any]:
    config = typed(f"envoy.extensions.tracers.opentelemetry.samplers.v3.{message}SamplerConfig", **fields)
    return {"name": f"envoy.tracers.opentelemetry.samplers.{name}", "typed_config": config}


def _is_address(otlp_url: str) -> bool:
    host = urlsplit(otlp_url).hostname or "127.0.0.1"
    try:
        ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return False
    return True


def _endpoint(otlp_url: str) -> dict[str, Any]:
    parts = urlsplit(otlp_url)
    if parts.scheme != "http" or not parts.hostname or not parts.port:
        raise GatewayModelError(f"OTLP receiver {otlp_url!r} is not like http://127.0.0.1:4318/v1/traces")
    address = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    return {"endpoint": {"address": {"socket_address": {"address": address, "port_value": parts.port}}}}
