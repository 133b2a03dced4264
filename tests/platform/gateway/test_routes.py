from __future__ import annotations

import json

import pytest
from tests.platform.gateway.harness import Backend, Gateway, Issuer, backend
from tests.platform.gateway.systems import shop

from atoll.system import Route


async def test_an_operation_is_reached_at_its_method_and_path(
    gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer
) -> None:
    await gateway.open(shop(), auth=auth, orders=orders)
    await gateway.accepted(issuer.token())
    answer = await gateway.ask("GET", "/orders/o-1?full=yes", token=issuer.token())
    assert answer.status == 200
    assert orders.seen[-1].path == "/orders/o-1?full=yes"


async def test_plain_text_wins_over_a_parameter_and_other_methods_fall_through(
    gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer
) -> None:
    await gateway.open(shop(), auth=auth, orders=orders)
    token = issuer.token()
    await gateway.accepted(token)
    assert (await gateway.ask("GET", "/orders/mine", token=token)).status == 200
    refused = await gateway.ask("DELETE", "/orders/mine", token=token)
    assert refused.is_problem(403, "forbidden")  # it is DELETE /orders/{id}, with its access


@pytest.mark.parametrize("path", ["/", "/nowhere", "/orders/", "/orders/1/2", "/ordersx", "/settle", "/catalogue"])
async def test_an_unknown_route_is_404(gateway: Gateway, path: str) -> None:
    await gateway.open(shop())
    assert (await gateway.ask("GET", path)).is_problem(404, "not-found")


@pytest.mark.parametrize(
    ("path", "allowed"), [("/orders", "POST"), ("/orders/7", "DELETE, GET"), ("/orders/mine", "DELETE, GET")]
)
async def test_a_known_path_with_another_method_is_405_and_says_which(
    gateway: Gateway, path: str, allowed: str
) -> None:
    await gateway.open(shop())
    answer = await gateway.ask("PUT", path, body=b"{}")
    assert answer.is_problem(405, "method-not-allowed")
    assert answer.headers["allow"] == allowed


async def test_an_operation_for_peers_only_is_not_let_in(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(), orders=orders)
    assert (await gateway.ask("POST", "/settle", body=b"{}")).is_problem(404, "not-found")
    assert orders.seen == []


@pytest.mark.parametrize(
    ("asked", "got"),
    [("/catalog", "/"), ("/catalog/", "/"), ("/catalog/a/b?x=1", "/a/b?x=1"), ("/catalog/catalog", "/catalog")],
)
async def test_a_prefix_is_taken_off(gateway: Gateway, asked: str, got: str) -> None:
    async with backend() as catalog:
        await gateway.open(shop(), catalog=catalog)
        assert (await gateway.ask("GET", asked)).status == 200
        assert catalog.seen[-1].path == got
        assert catalog.last["x-forwarded-prefix"] == "/catalog"


async def test_a_prefix_is_kept_on_request_and_the_longer_one_wins(gateway: Gateway, orders: Backend) -> None:
    routes = (Route("/catalog/deep", to="orders", public=True, keep_prefix=True), Route("/", to="auth", public=True))
    async with backend() as catalog, backend() as rest:
        await gateway.open(shop(routes=routes), catalog=catalog, orders=orders, auth=rest)
        assert (await gateway.ask("GET", "/catalog/deep/x")).status == 200
        assert orders.seen[-1].path == "/catalog/deep/x"
        assert (await gateway.ask("GET", "/anything")).status == 200
        assert rest.seen[-1].path == "/anything"


async def test_a_service_without_instances_is_503_and_says_when_to_come_back(gateway: Gateway) -> None:
    await gateway.open(shop(), orders=[])
    answer = await gateway.ask("GET", "/price")
    assert answer.is_problem(503, "unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_an_instance_that_is_gone_is_503(gateway: Gateway) -> None:
    async with backend() as gone:
        pass
    await gateway.open(shop(), orders=gone)
    assert (await gateway.ask("GET", "/price")).is_problem(503, "unavailable")


async def test_instances_share_by_weight_and_zero_gets_nothing(gateway: Gateway) -> None:
    async with backend(name="a") as a, backend(name="b") as b, backend(name="c") as c:
        await gateway.open(shop(), orders=[a.endpoint(90), b.endpoint(10), c.endpoint(0)])
        for _ in range(100):
            assert (await gateway.ask("GET", "/price")).status == 200
    assert c.seen == []
    assert 2 <= len(b.seen) <= 30


@pytest.mark.parametrize("path", ["/orders/a%2Fb", "/orders/a%5Cb"])
async def test_an_escaped_slash_is_refused(gateway: Gateway, path: str) -> None:
    await gateway.open(shop())
    assert (await gateway.ask("GET", path)).is_problem(400, "bad-request")


async def test_dots_in_a_path_do_not_lead_elsewhere(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(), orders=orders)
    reader, writer = await gateway.raw(b"GET /catalog/../settle HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert b" 404 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize("request_bytes", [b"\x16\x03\x01nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
async def test_broken_http_gets_no_plain_text(gateway: Gateway, request_bytes: bytes) -> None:
    await gateway.open(shop())
    reader, writer = await gateway.raw(request_bytes)
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert not body or json.loads(body)["type"] == "urn:problem:bad-request"
