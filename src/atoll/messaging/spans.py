"""What the spans of sent and processed messages are called (OpenTelemetry's semantic conventions for messaging)."""

from __future__ import annotations

from atoll.messaging.broker import Broker
from atoll.service.tracing import SpanPlan, Value


def messaging_plan(
    operation: str, kind: int, subject: str, broker: Broker | None = None, *, group: str = ""
) -> SpanPlan:
    """``send order.created`` or ``process order.created``. The broker's adapter is named after its technology."""
    told: dict[str, Value] = {
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": subject,
    }
    if broker is not None:
        told["messaging.system"] = type(broker).__module__.rpartition(".")[2]
    if group:
        told["messaging.consumer.group.name"] = group
    metric = "messaging.process.duration" if operation == "process" else "messaging.client.operation.duration"
    return SpanPlan(f"{operation} {subject}", kind, told, metric=metric, labels=tuple(told))
