"""The auth service: what it implements and needs. `atoll serve shop_auth:service` runs it."""

from __future__ import annotations

from atoll.service import Service
from shop_auth.handlers import jwks, logout, me, register, revoke, set_roles, token
from shop_auth.providers import PROVIDERS
from shop_auth.settings import AuthSettings

service = Service(
    "auth",
    handlers=(register, token, revoke, logout, me, set_roles, jwks),
    provides=PROVIDERS,
    settings=(AuthSettings,),
    migrations="shop_auth:migrations",
    version="0.1.0",
)
