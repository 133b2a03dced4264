"""From roles to scopes, and which of them a token gets."""

from __future__ import annotations

from collections.abc import Iterable

from shop_contracts import InvalidScope
from shop_contracts.scopes import (
    ADMIN,
    INVENTORY_READ,
    INVENTORY_WRITE,
    ORDERS_READ,
    ORDERS_WRITE,
    PARCELS_SCAN,
    PAYMENTS_READ,
    PAYMENTS_REFUND,
    USER,
    USERS_WRITE,
    WAREHOUSE,
)

ROLE_SCOPES = {
    USER: frozenset({ORDERS_READ, ORDERS_WRITE}),
    ADMIN: frozenset({PAYMENTS_READ, PAYMENTS_REFUND, USERS_WRITE}),
    WAREHOUSE: frozenset({INVENTORY_READ, INVENTORY_WRITE, PARCELS_SCAN}),
}


def scopes_of(roles: Iterable[str]) -> frozenset[str]:
    """All that these roles may do."""
    return frozenset().union(*(ROLE_SCOPES.get(role, frozenset()) for role in roles))


def roles_within(scopes: frozenset[str], roles: frozenset[str], allowed: frozenset[str]) -> frozenset[str]:
    """The roles that go into a token of these scopes: who asks for less than ``allowed`` is not what they might be.

    A role of the shop comes with all of its scopes or not at all; any other one only with all that is allowed.
    """
    return frozenset(role for role in roles if ROLE_SCOPES.get(role, allowed) <= scopes)


def chosen(requested: str, allowed: frozenset[str]) -> frozenset[str]:
    """What was asked for (space separated; nothing means all); InvalidScope if it is more than allowed."""
    wanted = frozenset(requested.split())
    if excess := sorted(wanted - allowed):
        raise InvalidScope(f"the scope {excess[0][:100]} is not yours to ask for")
    return wanted or allowed
