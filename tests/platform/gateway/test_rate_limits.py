from __future__ import annotations

import msgspec
from tests.platform.gateway.harness import Answer, Backend, Gateway, Issuer
from tests.platform.gateway.systems import shop

from atoll.contracts import Access, Api, Operation, RateLimit, Surface
from atoll.system import Route


class Item(msgspec.Struct):
    name: str = ""


SLOW = Surface(rate_limit=RateLimit(3, 60.0))


class Limited(Api, service="orders"):
    search = Operation("GET /search", None, Item, http=SLOW)
    look = Operation("GET /look", None, Item, access=Access(public=True), http=SLOW)
    other = Operation("GET /other", None, Item, access=Access(public=True))


ROUTES = (Route(Limited),)


async def spend(gateway: Gateway, path: str, count: int, token: str = "") -> list[Answer]:
    return [await gateway.ask("GET", path, token=token) for _ in range(count)]


async def test_callers_are_limited_one_by_one(gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer) -> None:
    await gateway.open(shop(routes=ROUTES, body_limit=1001), auth=auth, orders=orders)
    await gateway.accepted(issuer.token())
    answers = await spend(gateway, "/search", 4, issuer.token(sub="a"))
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert (await spend(gateway, "/search", 1, issuer.token(sub="a", jti="another-token")))[0].status == 429
    for caller in range(30):  # more than Envoy's default of twenty remembered callers
        assert (await spend(gateway, "/search", 1, issuer.token(sub=f"user-{caller}")))[0].status == 200
    assert (await spend(gateway, "/search", 1, issuer.token(sub="a")))[0].status == 429


async def test_429_says_when_to_come_back(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(routes=ROUTES, body_limit=1002), orders=orders)
    *passed, refused = await spend(gateway, "/look", 4)
    assert refused.is_problem(429, "too-many-requests")
    assert refused.headers["retry-after"] == "20"  # one token of three in sixty seconds
    assert refused.headers["ratelimit-limit"].startswith("3")
    assert refused.headers["ratelimit-remaining"] == "0"
    assert int(refused.headers["ratelimit-reset"]) <= 60
    assert [answer.headers["ratelimit-remaining"] for answer in passed] == ["2", "1", "0"]
    assert not [name for name in refused.headers if name.startswith("x-ratelimit")]


async def test_routes_are_limited_one_by_one(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(routes=ROUTES, body_limit=1003, rate_limit=RateLimit(5, 60.0)), orders=orders)
    assert [answer.status for answer in await spend(gateway, "/look", 4)] == [200, 200, 200, 429]
    others = [answer.status for answer in await spend(gateway, "/other", 6)]  # the gateway's own limit
    assert others == [200, 200, 200, 200, 200, 429]


async def test_who_is_known_is_not_limited_by_address(
    gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer
) -> None:
    await gateway.open(shop(routes=ROUTES, body_limit=1004), auth=auth, orders=orders)
    await gateway.accepted(issuer.token())
    assert (await spend(gateway, "/look", 4))[-1].status == 429
    assert (await spend(gateway, "/look", 1, issuer.token()))[0].status == 200


async def test_refusals_count(gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer) -> None:
    limit = RateLimit(2, 60.0)
    await gateway.open(shop(rate_limit=limit, body_limit=1005), auth=auth, orders=orders)
    await gateway.accepted(issuer.token(sub="somebody"))
    statuses = [
        (await gateway.ask("POST", "/orders", token=issuer.token(sub="z"), body=b"{}")).status for _ in range(3)
    ]
    assert statuses == [403, 403, 429]


async def test_a_bucket_fills_again(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(rate_limit=RateLimit(5, 0.5), body_limit=1006), orders=orders)
    answers = await spend(gateway, "/price", 12)
    assert 429 in {answer.status for answer in answers}
    while (await gateway.ask("GET", "/price")).status == 429:
        pass
