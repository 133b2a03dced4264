"""Bearer tokens: verified against the issuer's published keys; claims become headers that a client cannot send itself.

Keys are fetched in the background and used for a short time, so that a new key works soon after it is published; until
the issuer runs, fetching is tried again and again, and requests with a token are answered 401 or 503.
"""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.entries import Entry
from atoll.platform.gateway.typed import seconds, typed
from atoll.system import Jwt

FILTER = "envoy.filters.http.jwt_authn"
SCOPES, ROLES = "atoll-scopes", "atoll-roles"
CLAIM_HEADERS = {"atoll-subject": "sub", SCOPES: "scope", ROLES: "roles_text"}
CLOCK_SKEW = 5  # seconds between the issuer's clock and ours; Envoy's default is 60
CACHED_TOKENS = 1000  # verified tokens each worker remembers: verifying costs as much as the rest of a request
MAX_CACHED_TOKEN = 8192  # bytes
# A scheme's case means nothing (RFC 9110, section 11.1), and Envoy compares it exactly: the ways in which programs write it.
SCHEMES = ("Bearer", "bearer", "BEARER")
_PACKAGE = "envoy.extensions.filters.http.jwt_authn.v3"
_PROVIDER = "issuer"
_NEEDED, _WELCOME = "needed", "welcome"


def http_filter(jwt: Jwt, jwks_cache: float) -> dict[str, Any]:
    """jwks_cache: seconds for which fetched keys are used."""
    any_token = {"requires_any": {"requirements": [{"provider_name": _PROVIDER}, {"allow_missing_or_failed": {}}]}}
    config = typed(
        f"{_PACKAGE}.JwtAuthentication",
        providers={_PROVIDER: _provider(jwt, jwks_cache)},
        requirement_map={_NEEDED: {"provider_name": _PROVIDER}, _WELCOME: any_token},
    )
    return {"name": FILTER, "typed_config": config}


def route_policy(jwt: Jwt | None, entry: Entry) -> dict[str, Any]:
    """A public route takes a valid token's identity along and ignores an invalid one, so that logging in always works."""
    if jwt is None:
        return {}
    requirement = _WELCOME if entry.access.public else _NEEDED
    return {FILTER: typed(f"{_PACKAGE}.PerRouteConfig", requirement_name=requirement)}


def disabled() -> dict[str, Any]:
    """For routes that answer without a service."""
    return {FILTER: typed(f"{_PACKAGE}.PerRouteConfig", disabled=True)}


def _provider(jwt: Jwt, jwks_cache: float) -> dict[str, Any]:
    return {
        "issuer": jwt.issuer,
        "audiences": [jwt.audience],
        "subjects": {"safe_regex": {"regex": ".+"}},
        "require_expiration": True,
        "clock_skew_seconds": CLOCK_SKEW,
        # The routes decide who sees the header.
        "forward": True,
        "from_headers": [{"name": "authorization", "value_prefix": f"{scheme} "} for scheme in SCHEMES],
        "claim_to_headers": [{"header_name": name, "claim_name": claim} for name, claim in CLAIM_HEADERS.items()],
        "jwt_cache_config": {"jwt_cache_size": CACHED_TOKENS, "jwt_max_token_size": MAX_CACHED_TOKEN},
        "remote_jwks": {
            "http_uri": {"uri": f"http://{jwt.service}{jwt.jwks_path}", "cluster": jwt.service, "timeout": "2s"},
            "cache_duration": seconds(jwks_cache),
            "async_fetch": {"fast_listener": True, "failed_refetch_duration": "0.25s"},
        },
    }
