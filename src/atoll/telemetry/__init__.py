"""What a service tells of itself while it runs: spans, metrics and logs, for a person to read and for OTLP collectors.

Its one type is `Telemetry`, which the composition root makes from the OTEL_* variables; `span` is for everybody.
It must not import any other room than `contracts` and `service`.
"""

from atoll.service.baggage import baggage, carrying
from atoll.service.tracing import Span, SpanPlan, Tracer, current_span, current_tracer, span, traced
from atoll.telemetry.logging import configure_logging
from atoll.telemetry.metrics import Counter, Gauge, Histogram, Metrics
from atoll.telemetry.sampling import Keeping
from atoll.telemetry.settings import TelemetrySettings, read_settings
from atoll.telemetry.telemetry import Telemetry
from atoll.telemetry.tracer import OtlpTracer, SpanQueue

__all__ = [
    "Counter",
    "Gauge",
    "Histogram",
    "Keeping",
    "Metrics",
    "OtlpTracer",
    "Span",
    "SpanPlan",
    "SpanQueue",
    "Telemetry",
    "TelemetrySettings",
    "Tracer",
    "baggage",
    "carrying",
    "configure_logging",
    "current_span",
    "current_tracer",
    "read_settings",
    "span",
    "traced",
]
