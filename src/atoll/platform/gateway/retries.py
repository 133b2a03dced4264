"""Retries at the edge: what surely did not run, and what may safely run twice."""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.entries import Entry

NOT_SENT = "connect-failure,refused-stream,reset-before-request"
ATTEMPTS = 2  # after the first; semantics: 3 attempts


def retry_policy(entry: Entry) -> dict[str, Any]:
    """Every request is tried again if it never reached the service; an idempotent one also after a reset or a 503."""
    policy: dict[str, Any] = {
        "retry_on": NOT_SENT,
        "num_retries": ATTEMPTS,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": 10,
    }
    if entry.idempotent:
        policy["retry_on"] = f"{NOT_SENT},reset,retriable-status-codes"
        policy["retriable_status_codes"] = [503]
    return policy
