"""The metrics that services have, as Prometheus knows them, and how to choose among them."""

from __future__ import annotations

REQUESTS = "http_server_request_duration_seconds"
CALLS = "http_client_request_duration_seconds"
HANDLED = "messaging_process_duration_seconds"
SENT = "messaging_client_operation_duration_seconds"
STATEMENTS = "db_client_operation_duration_seconds"
LOOP_LAG = "atoll_event_loop_lag_seconds"

FAILED = 'http_response_status_code=~"5.."'


def chosen(metric: str, *matchers: str) -> str:
    """``metric{a="b"}``."""
    return f"{metric}{{{', '.join(matchers)}}}" if matchers else metric


def equals(label: str, value: str) -> str:
    """``label="value"``."""
    return f'{label}="{value}"'
