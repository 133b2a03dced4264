"""What the standard OTEL_* variables say. A wrong one is told and its default used: telemetry keeps no service from starting.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from atoll.telemetry.otlp_logs import QUEUE as LOG_QUEUE
from atoll.telemetry.sampling import SAMPLERS, Keeping
from atoll.telemetry.tracer import QUEUE as SPAN_QUEUE

log = logging.getLogger("atoll.telemetry")
SIGNALS = ("traces", "metrics", "logs")
PROTOCOL = "http/protobuf"


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """urls: where each signal goes; one that is missing goes nowhere. headers: sent along, and secret.

    schedule, metrics_interval: seconds between exports. timeout: seconds for one. resource: who tells all this.
    """

    disabled: bool = False
    urls: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    resource: Mapping[str, str] = field(default_factory=dict)
    sampler: str = "parentbased_always_on"
    ratio: float = 1.0
    keeping: Keeping = field(default_factory=Keeping)
    queue: int = SPAN_QUEUE
    log_queue: int = LOG_QUEUE
    batch: int = 512
    schedule: float = 5.0
    timeout: float = 10.0
    metrics_interval: float = 60.0


def read_settings(values: Mapping[str, str], identity: Mapping[str, str]) -> TelemetrySettings:
    """identity: service, instance, release and system, for what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES don't say."""
    ratio = _number(values, "OTEL_TRACES_SAMPLER_ARG", 1.0, most=1.0)
    return TelemetrySettings(
        disabled=values.get("OTEL_SDK_DISABLED", "").strip().lower() == "true",
        urls=_urls(values),
        headers=_pairs(values.get("OTEL_EXPORTER_OTLP_HEADERS", "")),
        resource=_resource(values, identity),
        sampler=_sampler(values),
        ratio=ratio,
        keeping=_keeping(values),
        queue=int(_number(values, "OTEL_BSP_MAX_QUEUE_SIZE", SPAN_QUEUE, least=1)),
        log_queue=int(_number(values, "OTEL_BLRP_MAX_QUEUE_SIZE", LOG_QUEUE, least=1)),
        batch=int(_number(values, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, least=1)),
        schedule=_number(values, "OTEL_BSP_SCHEDULE_DELAY", 5000, least=10) / 1000,
        timeout=_number(values, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, least=1) / 1000,
        metrics_interval=_number(values, "OTEL_METRIC_EXPORT_INTERVAL", 60_000, least=100) / 1000,
    )


def _urls(values: Mapping[str, str]) -> dict[str, str]:
    found = {}
    base = values.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    for signal in SIGNALS:
        own = f"OTEL_EXPORTER_OTLP_{signal.upper()}"
        protocol = values.get(f"{own}_PROTOCOL") or values.get("OTEL_EXPORTER_OTLP_PROTOCOL") or PROTOCOL
        url = values.get(f"{own}_ENDPOINT") or (f"{base}/v1/{signal}" if base else "")
        if not url or values.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp") == "none":
            continue
        if protocol != PROTOCOL:
            log.warning("no %s are sent: OTLP is spoken over %s here, not %s", signal, PROTOCOL, protocol)
        elif urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            log.warning("no %s are sent: their endpoint is no URL such as http://127.0.0.1:4318", signal)
        else:
            found[signal] = url
    return found


def _resource(values: Mapping[str, str], identity: Mapping[str, str]) -> dict[str, str]:
    found = {
        "service.name": identity.get("service", ""),
        "service.namespace": identity.get("system", ""),
        "service.instance.id": identity.get("instance", ""),
        "service.version": identity.get("release", ""),
        "telemetry.sdk.name": "atoll",
        "telemetry.sdk.language": "python",
    }
    found |= _pairs(values.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    if name := values.get("OTEL_SERVICE_NAME", ""):
        found["service.name"] = name
    return {name: value for name, value in found.items() if value}


def _pairs(text: str) -> dict[str, str]:
    found = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            found[name.strip()] = unquote(value.strip())
    return found


def _sampler(values: Mapping[str, str]) -> str:
    name = values.get("OTEL_TRACES_SAMPLER", "") or "parentbased_always_on"
    if name in SAMPLERS:
        return name
    log.warning("OTEL_TRACES_SAMPLER is %r; there are: %s", name, ", ".join(SAMPLERS))
    return "parentbased_always_on"


def _keeping(values: Mapping[str, str]) -> Keeping:
    """ATOLL_TRACES_KEEP: ``errors,slow`` (the default), one of them, or ``none``; ATOLL_TRACES_SLOW: seconds."""
    wanted = {one.strip() for one in values.get("ATOLL_TRACES_KEEP", "errors,slow").split(",")}
    slow = _number(values, "ATOLL_TRACES_SLOW", 1.0)
    return Keeping(errors="errors" in wanted, slow=slow if "slow" in wanted else 0.0)


def _number(
    values: Mapping[str, str], name: str, default: float, *, least: float = 0.0, most: float = float("inf")
) -> float:
    text = values.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not least <= number <= most:
        log.warning("%s is %r; it is a number of at least %g; %g is used", name, text, least, default)
        return default
    return number
