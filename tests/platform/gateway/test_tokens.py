from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

import pytest
from tests.platform.gateway.harness import Answer, Backend, Gateway, Issuer, backend
from tests.platform.gateway.systems import shop

from atoll.system import Route


@pytest.fixture
async def open_gateway(gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer) -> Gateway:
    async with backend() as catalog:
        routes = (Route("/private", to="catalog"),)
        await gateway.open(shop(routes=routes), auth=auth, orders=orders, catalog=catalog)
        await gateway.accepted(issuer.token())
    return gateway


def unsigned(issuer: Issuer) -> str:
    """A token with ``alg: none``."""
    _, payload, _ = issuer.token().split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    return f"{head}.{payload}."


@pytest.mark.parametrize(
    "make",
    [
        unsigned,
        lambda issuer: issuer.token(exp=int(time.time()) - 30),
        lambda issuer: issuer.token(exp=None),
        lambda issuer: issuer.token(aud="another"),
        lambda issuer: issuer.token(iss="https://somebody.else"),
        lambda issuer: issuer.token(sub=None),
        lambda issuer: issuer.token(sub=""),
        lambda issuer: issuer.token(key=issuer.new_key()),
        lambda issuer: issuer.token()[:-3],
        lambda issuer: "nonsense",
        lambda issuer: "",
    ],
    ids=["alg-none", "expired", "no-expiry", "audience", "issuer", "no-subject", "empty-subject", "unknown-kid",
         "broken-signature", "nonsense", "empty"],
)  # fmt: skip
async def test_a_bad_token_is_401(open_gateway: Gateway, issuer: Issuer, make: Callable[[Issuer], str]) -> None:
    answer = await open_gateway.ask("GET", "/orders/mine", headers=[("authorization", f"Bearer {make(issuer)}")])
    assert answer.is_problem(401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_schemes_case_means_nothing(open_gateway: Gateway, issuer: Issuer, scheme: str) -> None:
    headers = [("authorization", f"{scheme} {issuer.token()}")]
    assert (await open_gateway.ask("GET", "/orders/mine", headers=headers)).status == 200


async def test_no_token_is_401(open_gateway: Gateway) -> None:
    answer = await open_gateway.ask("GET", "/orders/mine")
    assert answer.is_problem(401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_claims_travel_as_headers_and_the_token_stays_behind(
    open_gateway: Gateway, orders: Backend, issuer: Issuer
) -> None:
    token = issuer.token(sub="u-7", scope="a:read b:write", roles=["admin"], roles_text="admin")
    assert (await open_gateway.ask("GET", "/orders/mine", token=token)).status == 200
    assert orders.last["atoll-subject"] == "u-7"
    assert orders.last["atoll-scopes"] == "a:read b:write"
    assert orders.last["atoll-roles"] == "admin"
    assert "authorization" not in orders.last


async def test_the_gateway_shows_each_service_its_own_secret(
    open_gateway: Gateway, orders: Backend, auth: Backend
) -> None:
    async with backend() as catalog:
        await open_gateway.open(shop(), auth=auth, orders=orders, catalog=catalog)
        await open_gateway.ask("GET", "/price")
        await open_gateway.ask("GET", "/catalog/x")
        await open_gateway.ask("POST", "/auth/token", body=b"x=1")
    assert orders.last["atoll-peer"] == "gateway:s3cret"
    assert catalog.last["atoll-peer"] == "gateway:other"
    assert "atoll-peer" not in auth.last


FORGED = ("atoll-subject", "Atoll-Subject", "ATOLL-SCOPES", "atoll-roles", "atoll-peer", "atoll-deadline-ms", "atoll-x",
          "atoll_subject", "Atoll_Peer")  # fmt: skip


@pytest.mark.parametrize("path", ["/orders/mine", "/price", "/catalog/x"])
async def test_a_client_cannot_send_our_headers(
    gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer, path: str
) -> None:
    async with backend() as catalog:
        await gateway.open(shop(), auth=auth, orders=orders, catalog=catalog)
        await gateway.accepted(issuer.token())
        lines = "".join(f"{name}: forged\r\n" for name in FORGED)
        token = "" if path == "/price" else f"authorization: Bearer {issuer.token()}\r\n"
        request = f"GET {path} HTTP/1.1\r\nhost: x\r\n{token}{lines}connection: close\r\n\r\n"
        reader, writer = await gateway.raw(request.encode())
        assert b" 200 " in await reader.readline()
        await reader.read()
        writer.close()
        reached = catalog if path.startswith("/catalog") else orders
        assert "forged" not in str(reached.last)
        assert reached.last.get("atoll-subject") == ("user-1" if token else None)


async def test_a_client_cannot_steer_the_proxy(open_gateway: Gateway, orders: Backend) -> None:
    steering = [("x-envoy-upstream-rq-timeout-ms", "1"), ("x-envoy-retry-on", "5xx"), ("x-forwarded-for", "1.2.3.4")]
    assert (await open_gateway.ask("GET", "/price", headers=steering)).status == 200
    assert not [name for name in orders.last if name.startswith("x-envoy-") and name not in ALLOWED]
    assert not orders.last["x-forwarded-for"].endswith("1.2.3.4")  # the last is the one that the gateway saw


ALLOWED = {"x-envoy-expected-rq-timeout-ms", "x-envoy-external-address"}


async def test_a_public_operation_ignores_a_bad_token_and_takes_a_good_one(
    open_gateway: Gateway, orders: Backend, issuer: Issuer
) -> None:
    assert (await open_gateway.ask("GET", "/price", token="nonsense")).status == 200
    assert "atoll-subject" not in orders.last
    assert (await open_gateway.ask("GET", "/price", token=issuer.token(aud="another"))).status == 200
    assert "atoll-subject" not in orders.last
    assert (await open_gateway.ask("GET", "/price", token=issuer.token())).status == 200
    assert orders.last["atoll-subject"] == "user-1"


async def test_a_program_behind_a_prefix_gets_the_token(
    gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer
) -> None:
    async with backend() as catalog:
        await gateway.open(shop(routes=(Route("/private", to="catalog"),)), auth=auth, orders=orders, catalog=catalog)
        await gateway.accepted(issuer.token())
        assert (await gateway.ask("GET", "/private/x")).is_problem(401, "unauthenticated")
        assert (await gateway.ask("GET", "/private/x", token=issuer.token())).status == 200
        assert catalog.last["authorization"].startswith("Bearer ")
        assert catalog.last["atoll-subject"] == "user-1"


async def test_an_issuer_that_starts_later_is_found(gateway: Gateway, orders: Backend) -> None:
    late = Issuer("https://late.test")
    await gateway.open(shop(late.issuer), orders=orders, auth=[])
    answer = await gateway.ask("GET", "/orders/mine", token=late.token())
    assert is_unproven(answer)
    async with backend(late.respond) as auth:
        await gateway.open(shop(late.issuer), orders=orders, auth=auth)
        assert await gateway.accepted(late.token()) < 4.0


def is_unproven(answer: Answer) -> bool:
    """Keys are not there yet: either is honest."""
    return answer.is_problem(503, "unavailable") or answer.is_problem(401, "unauthenticated")


async def test_keys_rotate_without_a_refused_request(gateway: Gateway, orders: Backend) -> None:
    rotating = Issuer("https://rotating.test")
    async with backend(rotating.respond) as auth:
        await gateway.open(shop(rotating.issuer), orders=orders, auth=auth)
        await gateway.accepted(rotating.token())
        old, new = rotating.key, rotating.new_key()
        rotating.published = [old, new]
        seconds = await gateway.accepted(rotating.token(key=new))
        assert seconds < 3.0, "a published key is known within the cache's time"
        assert (await gateway.ask("GET", "/orders/mine", token=rotating.token(key=old))).status == 200
        rotating.published = [new]
        started = time.monotonic()
        while (await gateway.ask("GET", "/orders/mine", token=rotating.token(key=old, jti="x"))).status != 401:
            assert time.monotonic() - started < 4.0, "a key that was taken back is still accepted"
        assert (await gateway.ask("GET", "/orders/mine", token=rotating.token(key=new))).status == 200


async def test_keys_stay_in_use_while_the_issuer_is_away(gateway: Gateway, orders: Backend) -> None:
    away = Issuer("https://away.test")
    async with backend(away.respond) as auth:
        await gateway.open(shop(away.issuer), orders=orders, auth=auth)
        await gateway.accepted(away.token())
    started = time.monotonic()
    while time.monotonic() - started < 3.5:  # longer than the keys' cache
        assert (await gateway.ask("GET", "/orders/mine", token=away.token())).status == 200


async def test_a_public_operation_gets_basic_credentials(open_gateway: Gateway, auth: Backend) -> None:
    headers = [("authorization", "Basic Y2xpZW50OnNlY3JldA==")]
    answer = await open_gateway.ask("POST", "/auth/token", headers=headers, body=b"grant_type=client_credentials")
    assert answer.status == 200
    assert auth.last["authorization"] == "Basic Y2xpZW50OnNlY3JldA=="
