"""Scopes and roles: the words that tokens carry and operations ask for."""

from __future__ import annotations

from typing import Final

ORDERS_READ: Final = "orders:read"
ORDERS_WRITE: Final = "orders:write"
PAYMENTS_READ: Final = "payments:read"
PAYMENTS_CHARGE: Final = "payments:charge"
PAYMENTS_REFUND: Final = "payments:refund"
USERS_WRITE: Final = "users:write"

SCOPES: Final = frozenset({ORDERS_READ, ORDERS_WRITE, PAYMENTS_READ, PAYMENTS_CHARGE, PAYMENTS_REFUND, USERS_WRITE})
"""All scopes of the shop; a token never carries another one."""

USER: Final = "user"
ADMIN: Final = "admin"
MACHINE: Final = "machine"
