"""Rate limits by caller and route: a token bucket for each, kept in Envoy (local_ratelimit with wildcard descriptors)."""

from __future__ import annotations

import math
from typing import Any

from atoll.contracts import RateLimit
from atoll.platform.gateway.entries import Entry
from atoll.platform.gateway.typed import header, seconds, typed

FILTER = "envoy.filters.http.local_ratelimit"
CALLERS = 10_000  # buckets kept for each route, the least recently used go first; Envoy's default of 20 limits nobody
_CONFIG = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_ALWAYS = {"default_value": {"numerator": 100}}
_MUST_BE_THERE = 4_000_000_000  # Envoy wants a bucket for requests that no descriptor matches; there are none


def http_filter() -> dict[str, Any]:
    """Limits nothing where a route does not say otherwise."""
    return {"name": FILTER, "typed_config": typed(_CONFIG, stat_prefix="rate_limit")}


def route_policy(entry: Entry) -> dict[str, Any]:
    """The caller is the token's subject, or the client's address where there is none."""
    bucket = _bucket(entry.rate_limit)
    config = typed(
        _CONFIG,
        stat_prefix="rate_limit",
        filter_enabled=_ALWAYS,
        filter_enforced=_ALWAYS,
        token_bucket={**bucket, "max_tokens": _MUST_BE_THERE, "tokens_per_fill": _MUST_BE_THERE},
        always_consume_default_token_bucket=False,
        max_dynamic_descriptors=CALLERS,
        rate_limits=[{"actions": _SUBJECT}, {"actions": _ADDRESS}],
        descriptors=[
            {"entries": [{"key": "subject"}], "token_bucket": bucket},
            {"entries": [{"key": "caller", "value": "anonymous"}, {"key": "remote_address"}], "token_bucket": bucket},
        ],
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
        response_headers_to_add=[header("retry-after", str(_wait(entry.rate_limit)))],
    )
    return {FILTER: config}


# atoll-subject is safe to read: a client's own is removed, and only the jwt filter sets it.
_SUBJECT = [{"request_headers": {"header_name": "atoll-subject", "descriptor_key": "subject"}}]
_NO_SUBJECT = {"name": "atoll-subject", "present_match": True, "invert_match": True}
_ADDRESS = [
    {"header_value_match": {"descriptor_key": "caller", "descriptor_value": "anonymous", "headers": [_NO_SUBJECT]}},
    {"remote_address": {}},
]


def _bucket(limit: RateLimit) -> dict[str, Any]:
    return {"max_tokens": limit.requests, "tokens_per_fill": limit.requests, "fill_interval": seconds(limit.per)}


def _wait(limit: RateLimit) -> int:
    """Whole seconds until an empty bucket has a token again: it fills evenly."""
    return max(1, math.ceil(limit.per / limit.requests))
