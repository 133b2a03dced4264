"""Where the gateway sends its spans: the same OTEL_* variables that the services read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit


def otlp_url(values: Mapping[str, str]) -> str:
    """The URL for traces; empty for what Envoy cannot speak here (it is told no headers, and no TLS), or nothing at all."""
    base = values.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    url = values.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or (f"{base}/v1/traces" if base else "")
    if values.get("OTEL_SDK_DISABLED", "").lower() == "true" or values.get("OTEL_TRACES_EXPORTER") == "none":
        return ""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname:
            return url if parts.port else url.replace(parts.netloc, f"{parts.netloc}:80", 1)
    return ""


def trace_share(values: Mapping[str, str]) -> float:
    """The share of new traces that OTEL_TRACES_SAMPLER samples; 1 unless it says otherwise."""
    name = values.get("OTEL_TRACES_SAMPLER", "")
    if name.endswith("always_off"):
        return 0.0
    if not name.endswith("traceidratio"):
        return 1.0
    with suppress(ValueError):
        return min(1.0, max(0.0, float(values.get("OTEL_TRACES_SAMPLER_ARG", "1"))))
    return 1.0
