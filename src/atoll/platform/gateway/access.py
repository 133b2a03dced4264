"""Scopes and roles: what the verified token must say, by route (Envoy's rbac filter).

One policy denies for each thing that is needed and not there; its name is what the reply says. A token's claims are read
from the metadata of the jwt filter, never from a header.
"""

from __future__ import annotations

from typing import Any

from atoll.contracts import Access
from atoll.platform.gateway.entries import Entry
from atoll.platform.gateway.typed import typed

_NOTING, _REFUSING = "envoy.filters.http.rbac.noting", "envoy.filters.http.rbac"
MISSING = "%DYNAMIC_METADATA(envoy.filters.http.rbac:shadow_effective_policy_id)%"  # "the scope orders:write"
CLAIMS = ("envoy.filters.http.jwt_authn", "token")  # where the jwt filter leaves the claims
_PACKAGE = "envoy.extensions.filters.http.rbac.v3"


def http_filters() -> list[dict[str, Any]]:
    """Two filters with the same rules: the first notes what is missing, the second refuses, and the reply can say why.

    (A refusal's own note comes too late for its reply.) Where a route says nothing, they let everything through.
    """
    return [{"name": name, "typed_config": typed(f"{_PACKAGE}.RBAC")} for name in (_NOTING, _REFUSING)]


def route_policy(entry: Entry) -> dict[str, Any]:
    """All scopes, and one of the roles."""
    policies = _policies(entry.access)
    if not policies:
        return {}
    rules = {"action": "DENY", "policies": policies}
    return {
        _NOTING: typed(f"{_PACKAGE}.RBACPerRoute", rbac={"shadow_rules": rules}),
        _REFUSING: typed(f"{_PACKAGE}.RBACPerRoute", rbac={"rules": rules}),
    }


def _policies(access: Access) -> dict[str, Any]:
    policies = {f"the scope {scope}": _without("scope", (scope,)) for scope in access.scopes}
    if access.roles:
        named = "the role " if len(access.roles) == 1 else "one of the roles "
        policies[named + ", ".join(access.roles)] = _without("roles_text", access.roles)
    return policies


def _without(claim: str, values: tuple[str, ...]) -> dict[str, Any]:
    """A policy that matches callers whose claim (a list) has none of the values; a claim that is missing has none."""
    having = {"or_ids": {"ids": [_having(claim, value) for value in values]}}
    return {"permissions": [{"any": True}], "principals": [{"not_id": having}]}


def _having(claim: str, value: str) -> dict[str, Any]:
    space, key = CLAIMS
    matcher = {
        "filter": space,
        "path": [{"key": key}, {"key": claim}],
        "value": {"list_match": {"one_of": {"string_match": {"exact": value}}}},
    }
    return {"sourced_metadata": {"metadata_matcher": matcher, "metadata_source": "DYNAMIC"}}
