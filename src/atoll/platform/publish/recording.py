"""Recording rules: what dashboards and people ask for often. Their names say level:metric:operation, as Prometheus advises."""

from __future__ import annotations

from typing import Any

from atoll.platform.publish.names import CALLS, FAILED, HANDLED, LOOP_LAG, REQUESTS, chosen, equals

Rule = dict[str, Any]
SERVICE = "system, service"
OPERATION = f"{SERVICE}, atoll_operation"
EVENT = f"{SERVICE}, messaging_destination_name"
WINDOW = "5m"


def recording_rules(system: str) -> list[Rule]:
    """The rules for one system."""
    mine = equals("system", system)
    return [
        *_traffic("service", SERVICE, mine),
        *_traffic("service_operation", OPERATION, mine),
        _rule("service_peer:http_client_requests:rate5m", _rate(CALLS, f"{SERVICE}, peer_service", mine)),
        _quantile("service_peer:http_client_seconds:p99_5m", 0.99, CALLS, f"{SERVICE}, peer_service", mine),
        _rule("service_event:messages:rate5m", _rate(HANDLED, EVENT, mine)),
        _quantile("service_event:message_seconds:p99_5m", 0.99, HANDLED, EVENT, mine),
        _quantile("service:event_loop_lag_seconds:p99_5m", 0.99, LOOP_LAG, SERVICE, mine),
    ]


def _traffic(level: str, by: str, mine: str) -> list[Rule]:
    """Rate, errors, duration."""
    requests, failed = _rate(REQUESTS, by, mine), _rate(REQUESTS, by, mine, FAILED)
    return [
        _rule(f"{level}:http_requests:rate5m", requests),
        # Where nothing has failed yet there is no series of failures: then it is none.
        _rule(f"{level}:http_errors:ratio_rate5m", f"({failed} or 0 * {requests})\n/\n{requests}"),
        _quantile(f"{level}:http_seconds:p50_5m", 0.5, REQUESTS, by, mine),
        _quantile(f"{level}:http_seconds:p99_5m", 0.99, REQUESTS, by, mine),
    ]


def _rate(metric: str, by: str, *matchers: str) -> str:
    return f"sum by ({by}) (rate({chosen(f'{metric}_count', *matchers)}[{WINDOW}]))"


def _quantile(name: str, quantile: float, metric: str, by: str, *matchers: str) -> Rule:
    rate = f"rate({chosen(f'{metric}_bucket', *matchers)}[{WINDOW}])"
    return _rule(name, f"histogram_quantile({quantile:g}, sum by ({by}, le) ({rate}))")


def _rule(name: str, expression: str) -> Rule:
    return {"record": name, "expr": expression}
