"""The order of the HTTP filters, with the reason for each place."""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway import access, body_limit, compression, cors, faults, jwt, rate_limit
from atoll.platform.gateway.options import GatewayOptions
from atoll.platform.gateway.typed import header, typed
from atoll.system import Gateway


def http_filters(gateway: Gateway, options: GatewayOptions) -> list[dict[str, Any]]:
    """The chain of every request. Replies pass it backwards."""
    return [
        _reply_headers(),  # last to see a reply: renames what the others put there
        *([cors.http_filter()] if gateway.cors is not None else []),  # before tokens: a preflight carries none
        *([jwt.http_filter(gateway.jwt, options.jwks_cache)] if gateway.jwt is not None else []),  # who is it
        rate_limit.http_filter(),  # by caller, so after tokens; before access, so that refusals count as well
        *access.http_filters(),
        body_limit.http_filter(gateway.body_limit),  # nothing is read for a caller who may not call
        *compression.http_filters(),
        *faults.http_filters(options.faults),  # innermost: everything else takes a fault for the service's own
        _router(),  # must be the last: without it requests hang
    ]


def _reply_headers() -> dict[str, Any]:
    """x-ratelimit-* become the standard's RateLimit-* (draft-ietf-httpapi-ratelimit-headers)."""
    copied = [
        {"append": header(f"ratelimit-{part}", f"%RESP(x-ratelimit-{part})%")}
        for part in ("limit", "remaining", "reset")
    ]
    removed = [{"remove": f"x-ratelimit-{part}"} for part in ("limit", "remaining", "reset")]
    config = typed(
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={"response_mutations": [*copied, *removed]},
    )
    return {"name": "envoy.filters.http.header_mutation", "typed_config": config}


def _router() -> dict[str, Any]:
    config = typed("envoy.extensions.filters.http.router.v3.Router", suppress_envoy_headers=True)
    return {"name": "envoy.filters.http.router", "typed_config": config}
