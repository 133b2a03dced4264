"""Scopes and roles: what the verified token must say, by route (Envoy's rbac filter).

One policy denies for each thing that is needed and not there; its name is what the reply says. A token's claims are read
from the headers that the jwt filter makes of them and that services go by: what a client sends under those names is gone before
any filter sees it. (As metadata they would cost a twentieth of what the gateway does for a request.)
"""

from __future__ import annotations

import re
from typing import Any

from atoll.contracts import Access
from atoll.platform.gateway.entries import Entry
from atoll.platform.gateway.jwt import ROLES, SCOPES
from atoll.platform.gateway.typed import safe_regex, typed

_NOTING, _REFUSING = "envoy.filters.http.rbac.noting", "envoy.filters.http.rbac"
MISSING = "%DYNAMIC_METADATA(envoy.filters.http.rbac:shadow_effective_policy_id)%"  # "the scope orders:write"
_PACKAGE = "envoy.extensions.filters.http.rbac.v3"


def http_filters() -> list[dict[str, Any]]:
    """Two filters with the same rules: the first notes what is missing, the second refuses, and the reply can say why.

    (A refusal's own note comes too late for its reply.) Where a route says nothing, they are not there.
    """
    config = typed(f"{_PACKAGE}.RBAC")
    return [{"name": name, "typed_config": config, "disabled": True} for name in (_NOTING, _REFUSING)]


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
    policies = {f"the scope {scope}": _without(SCOPES, (scope,)) for scope in access.scopes}
    if access.roles:
        named = "the role " if len(access.roles) == 1 else "one of the roles "
        policies[named + ", ".join(access.roles)] = _without(ROLES, access.roles)
    return policies


def _without(header: str, values: tuple[str, ...]) -> dict[str, Any]:
    """A policy that matches callers whose header (words with spaces between) has none of the values; a missing one has none."""
    having = {"or_ids": {"ids": [_having(header, value) for value in values]}}
    return {"permissions": [{"any": True}], "principals": [{"not_id": having}]}


def _having(header: str, value: str) -> dict[str, Any]:
    return {"header": {"name": header, "string_match": safe_regex(f"(.* )?{re.escape(value)}( .*)?")}}
