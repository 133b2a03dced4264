"""The systems that the gateway's tests publish."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.platform.gateway.harness import AUDIENCE, ISSUER

from atoll.contracts import Access, Api, Operation, RateLimit, Stream, Surface
from atoll.system import Gateway, Jwt, Route, Service, System

PUBLIC = Access(public=True)
PLENTY = RateLimit(10_000, 1.0)


class Item(msgspec.Struct):
    name: str = ""


class ById(msgspec.Struct):
    id: str


class Orders(Api):
    place = Operation("POST /orders", Item, Item, access=Access(scopes=("orders:write",)))
    mine = Operation("GET /orders/mine", None, Item)
    get = Operation("GET /orders/{id}", ById, Item)
    remove = Operation("DELETE /orders/{id}", ById, None, access=Access(scopes=("orders:write", "orders:delete")))
    cancel = Operation("POST /orders/{id}/cancel", ById, Item, access=Access(roles=("admin", "ops")))
    feed = Operation("GET /feed", None, Stream[Item], access=PUBLIC, deadline=0.2)
    quote = Operation("POST /quote", Item, Item, access=PUBLIC, deadline=0.3, http=Surface(body_limit=2000))
    price = Operation("GET /price", None, Item, access=PUBLIC, deadline=2.0)
    settle = Operation("POST /settle", Item, Item, access=Access(peers=("payments",)))


class Auth(Api):
    token = Operation("POST /auth/token", Item, Item, access=PUBLIC, http=Surface(form=True))


def shop(issuer: str = ISSUER, routes: tuple[Route, ...] = (), **gateway: Any) -> System:
    """Orders and auth by their contracts, catalog (any program) below a prefix."""
    every = (Route(Orders), Route(Auth), Route("/catalog", to="catalog", public=True, timeout=0.3), *routes)
    given = {"routes": every, "jwt": Jwt("auth", issuer, AUDIENCE), "rate_limit": PLENTY, **gateway}
    return System(
        "shop",
        services=(
            Service("auth", serve="shop_auth:service", offers=(Auth,)),
            Service("orders", serve="shop_orders:service", offers=(Orders,)),
            Service("catalog", asgi="catalog:app"),
        ),
        gateway=Gateway(**given),
    )
