"""Which browsers' pages may call (CORS)."""

from __future__ import annotations

import re
from typing import Any

from atoll.platform.gateway.options import GatewayModelError
from atoll.platform.gateway.typed import safe_regex, typed
from atoll.system import Cors

# What the filter takes for a preflight. It looks at routes to services only, so a preflight needs one.
PREFLIGHT = (
    {"name": ":method", "string_match": {"exact": "OPTIONS"}},
    {"name": "origin", "present_match": True},
    {"name": "access-control-request-method", "present_match": True},
)
FILTER = "envoy.filters.http.cors"
_PACKAGE = "envoy.extensions.filters.http.cors.v3"
METHODS = "GET, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = (
    "authorization, content-type, accept, accept-language, idempotency-key, last-event-id, traceparent, tracestate"
)
REPLY_HEADERS = "location, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, x-request-id"
PREFLIGHT_AGE = "600"  # seconds a browser remembers the answer


def http_filter() -> dict[str, Any]:
    """Answers preflights of hosts that have a policy."""
    return {"name": FILTER, "typed_config": typed(f"{_PACKAGE}.Cors")}


def policy(cors: Cors) -> dict[str, Any]:
    """The policy of the whole gateway."""
    if cors.credentials and "*" in cors.origins:
        raise GatewayModelError(
            "Cors(origins=('*',), credentials=True): any page could act for its visitor; name the origins"
        )
    config = typed(
        f"{_PACKAGE}.CorsPolicy",
        allow_origin_string_match=[_origin(origin) for origin in cors.origins],
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        expose_headers=REPLY_HEADERS,
        max_age=PREFLIGHT_AGE,
        allow_credentials=cors.credentials,
        forward_not_matching_preflights=False,  # another page's preflight gets an answer without permission
    )
    return {FILTER: config}


def _origin(origin: str) -> dict[str, Any]:
    """``https://*.shop.example`` stands for one label; it matches no other domain."""
    if "*" not in origin:
        return {"exact": origin}
    label = ".*" if origin == "*" else r"[A-Za-z0-9-]+"
    return safe_regex(re.escape(origin).replace(r"\*", label))
