from __future__ import annotations

import pytest
from tests.platform.gateway.harness import Backend, Gateway, Issuer, backend
from tests.platform.gateway.systems import shop

from atoll.system import Route


@pytest.fixture
async def shop_gateway(gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer) -> Gateway:
    await gateway.open(shop(), auth=auth, orders=orders)
    await gateway.accepted(issuer.token())
    return gateway


@pytest.mark.parametrize("scope", [None, "", "orders:read", "orders:writer", "xorders:write", "orders:*"])
async def test_a_missing_scope_is_403_and_named(shop_gateway: Gateway, issuer: Issuer, scope: str | None) -> None:
    answer = await shop_gateway.ask("POST", "/orders", token=issuer.token(scope=scope), body=b"{}")
    assert answer.is_problem(403, "forbidden")
    assert "the scope orders:write" in answer.json["detail"]


@pytest.mark.parametrize("scope", ["orders:write", "a orders:write b"])
async def test_the_scope_is_enough(shop_gateway: Gateway, orders: Backend, issuer: Issuer, scope: str) -> None:
    assert (await shop_gateway.ask("POST", "/orders", token=issuer.token(scope=scope), body=b"{}")).status == 200


async def test_all_scopes_are_needed_and_the_missing_one_is_named(shop_gateway: Gateway, issuer: Issuer) -> None:
    answer = await shop_gateway.ask("DELETE", "/orders/1", token=issuer.token(scope="orders:write"))
    assert answer.is_problem(403, "forbidden")
    assert "orders:delete" in answer.json["detail"]
    assert "orders:write" not in answer.json["detail"]
    both = issuer.token(scope="orders:write orders:delete")
    assert (await shop_gateway.ask("DELETE", "/orders/1", token=both)).status == 200


@pytest.mark.parametrize(
    ("roles", "status"), [("admin", 200), ("x ops", 200), ("x", 403), (None, 403), ("administrator", 403)]
)
async def test_one_of_the_roles_is_enough(
    shop_gateway: Gateway, issuer: Issuer, roles: str | None, status: int
) -> None:
    answer = await shop_gateway.ask("POST", "/orders/1/cancel", token=issuer.token(roles_text=roles), body=b"{}")
    assert answer.status == status
    if status == 403:
        assert answer.is_problem(403, "forbidden")
        assert "one of the roles admin, ops" in answer.json["detail"]


@pytest.mark.parametrize("name", ["atoll-scopes", "Atoll-Scopes", "ATOLL-SCOPES", "atoll_scopes", "x-atoll-release"])
@pytest.mark.parametrize("scope", [None, "orders:read", ".*"])
async def test_headers_that_a_client_sends_give_no_scope(
    shop_gateway: Gateway, issuer: Issuer, name: str, scope: str | None
) -> None:
    forged = [(name, "orders:write"), (name, "a orders:write b"), ("atoll-roles", "admin")]
    token = issuer.token(scope=scope)
    assert (await shop_gateway.ask("POST", "/orders", token=token, headers=forged, body=b"{}")).status == 403
    assert (await shop_gateway.ask("POST", "/orders/1/cancel", token=token, headers=forged, body=b"{}")).status == 403


async def test_a_prefix_has_access_too(gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer) -> None:
    async with backend() as catalog:
        routes = (Route("/staff", to="catalog", scopes=("staff",), roles=("admin",)),)
        await gateway.open(shop(routes=routes), auth=auth, orders=orders, catalog=catalog)
        await gateway.accepted(issuer.token())
        assert (await gateway.ask("GET", "/staff/x")).status == 401
        almost = [issuer.token(roles_text="admin"), issuer.token(scope="staff")]
        answers = [await gateway.ask("GET", "/staff/x", token=token) for token in almost]
        assert "the scope staff" in answers[0].json["detail"]
        assert "the role admin" in answers[1].json["detail"]
        assert (
            await gateway.ask("GET", "/staff/x", token=issuer.token(scope="staff", roles_text="admin"))
        ).status == 200
