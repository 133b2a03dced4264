"""Retries at the edge: what surely did not run, and what may safely run twice."""

from __future__ import annotations

from typing import Any

from atoll.contracts.operations import DEFAULT_DEADLINE
from atoll.contracts.policies import RetryPolicy
from atoll.platform.gateway.entries import Entry
from atoll.platform.gateway.typed import seconds

NOT_SENT = "connect-failure,refused-stream,reset-before-request"


def retry_policy(entry: Entry, retries: RetryPolicy) -> dict[str, Any]:
    """Every request is tried again if it never reached the service; an idempotent one also after a reset or a 503.

    Envoy's backoff is jittered in full, as ours is; a reply's retry-after goes before it, if there is time for it.
    """
    if retries.attempts < 2:
        return {}
    policy: dict[str, Any] = {
        "retry_on": NOT_SENT,
        "num_retries": retries.attempts - 1,
        "retry_back_off": {"base_interval": seconds(retries.base), "max_interval": seconds(retries.most)},
        "rate_limited_retry_back_off": {
            "reset_headers": [{"name": "retry-after", "format": "SECONDS"}],
            "max_interval": seconds(entry.deadline or DEFAULT_DEADLINE),
        },
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
