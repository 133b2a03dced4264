"""Alerts on what Atoll knows to be wrong, whatever was promised: each names the command that shows more, or repairs."""

from __future__ import annotations

from typing import Any

from atoll.platform.publish.names import chosen, equals

Rule = dict[str, Any]
SERVICE = "system, service"


def alert_rules(system: str) -> list[Rule]:
    """The rules for one system. Several instances read the same database: the largest of their figures counts."""
    mine = equals("system", system)
    return [
        _alert("InstanceDown", f"{chosen('up', mine)} == 0", "1m", "page",
               "{{ $labels.instance }} does not answer", "atoll ps; atoll logs {{ $labels.service }}"),
        # An instance that starts anew begins to count its processor time at 0.
        _alert("InstanceRestarting", f"resets({chosen('process_cpu_time_seconds', mine)}[15m]) > 2", "0s", "page",
               "{{ $labels.instance }} was started {{ $value }} times in a quarter of an hour",
               "atoll logs {{ $labels.service }}"),
        _alert("OutboxLag", f"{_most('atoll_outbox_lag_seconds', mine)} > 30", "1m", "page",
               "{{ $labels.service }} has an event that waits for the broker since {{ $value | humanizeDuration }}",
               "atoll ps {{ $labels.service }}; a long transaction holds the relay back, too"),
        _alert("DeadLetters", f"{_most('atoll_messages_dead', mine)} > 0", "0s", "ticket",
               "{{ $labels.service }} could not handle {{ $value }} messages",
               "atoll dead-letters list {{ $labels.service }}"),
        _alert("ParkedMessages", f"{_most('atoll_messages_parked', mine)} > 0", "15m", "ticket",
               "{{ $value }} messages of {{ $labels.service }} wait behind one that fails",
               "atoll dead-letters list {{ $labels.service }}"),
        _alert("SagaStuck", f"{_most('atoll_sagas', mine, _PARKED, also='atoll_saga')} > 0", "0s", "page",
               "{{ $value }} sagas {{ $labels.atoll_saga }} of {{ $labels.service }} wait for a person",
               "atoll sagas list {{ $labels.service }}"),
        _alert("ProjectionLag", f"{_most('atoll_projection_lag_seconds', mine, also='atoll_projection')} > 60", "1m",
               "ticket", "{{ $labels.atoll_projection }} of {{ $labels.service }} is {{ $value | humanizeDuration }} behind",
               "atoll projections list {{ $labels.service }}"),
        _alert("BreakerOpen", f"{_most('atoll_breaker_open', mine, also='server_address')} == 1", "1m", "page",
               "{{ $labels.service }} gets no answers from {{ $labels.server_address }}, and has ceased to call it",
               "atoll ps; atoll describe {{ $labels.service }} --stacks"),
        _alert("EventLoopLag", f"{chosen('service:event_loop_lag_seconds:p99_5m', mine)} > 0.25", "5m", "ticket",
               "{{ $labels.service }} keeps its event loop from turning for {{ $value | humanizeDuration }}",
               "look for work that does not await, or scale it: atoll scale {{ $labels.service }}=2"),
    ]  # fmt: skip


_PARKED = equals("atoll_saga_status", "parked")


def _most(metric: str, *matchers: str, also: str = "") -> str:
    by = f"{SERVICE}, {also}" if also else SERVICE
    return f"max by ({by}) ({chosen(metric, *matchers)})"


def _alert(name: str, expression: str, lasting: str, severity: str, summary: str, look: str) -> Rule:
    return {
        "alert": name,
        "expr": expression,
        "for": lasting,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "look": look},
    }
