"""Scopes and roles: the words that tokens carry and operations ask for."""

from __future__ import annotations

from typing import Final

ORDERS_READ: Final = "orders:read"
ORDERS_WRITE: Final = "orders:write"
PAYMENTS_READ: Final = "payments:read"
PAYMENTS_CHARGE: Final = "payments:charge"
PAYMENTS_REFUND: Final = "payments:refund"
INVENTORY_READ: Final = "inventory:read"
INVENTORY_WRITE: Final = "inventory:write"
PARCELS_SCAN: Final = "parcels:scan"
USERS_WRITE: Final = "users:write"

SCOPES: Final = frozenset(
    {
        ORDERS_READ, ORDERS_WRITE, PAYMENTS_READ, PAYMENTS_CHARGE, PAYMENTS_REFUND, INVENTORY_READ, INVENTORY_WRITE,
        PARCELS_SCAN, USERS_WRITE,
    }
)  # fmt: skip
"""All scopes of the shop; a token never carries another one."""

USER: Final = "user"
ADMIN: Final = "admin"
WAREHOUSE: Final = "warehouse"
MACHINE: Final = "machine"
