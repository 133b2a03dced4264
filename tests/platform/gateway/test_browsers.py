from __future__ import annotations

import gzip
import json

import pytest
from tests.platform.gateway.harness import Answer, Backend, Gateway, answering, backend, client_builder, reply
from tests.platform.gateway.systems import shop

from atoll.contracts import RateLimit
from atoll.platform.gateway import GatewayModelError, compile_snapshot
from atoll.system import Cors

CORS = Cors(("https://shop.example", "https://*.shop.example"), credentials=True)


async def preflight(gateway: Gateway, origin: str, path: str = "/orders") -> Answer:
    headers = [("origin", origin), ("access-control-request-method", "POST")]
    return await gateway.ask("OPTIONS", path, headers=headers)


@pytest.mark.parametrize("origin", ["https://shop.example", "https://app.shop.example"])
@pytest.mark.parametrize("path", ["/orders", "/orders/1/cancel", "/catalog/x"])
async def test_a_known_page_may_call(gateway: Gateway, origin: str, path: str) -> None:
    await gateway.open(shop(cors=CORS))
    answer = await preflight(gateway, origin, path)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://shop.example.evil", "http://shop.example", "https://a.b.shop.example",
     "https://evilshop.example", "https://shopXexample", "null"],
)  # fmt: skip
async def test_another_page_may_not(gateway: Gateway, origin: str) -> None:
    await gateway.open(shop(cors=CORS))
    assert "access-control-allow-origin" not in (await preflight(gateway, origin)).headers


async def test_replies_and_refusals_carry_the_origin(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(cors=CORS), orders=orders)
    origin = [("origin", "https://shop.example")]
    for method, path in (("GET", "/price"), ("GET", "/orders/1")):
        answer = await gateway.ask(method, path, headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://shop.example", path
        assert "ratelimit-remaining" in answer.headers["access-control-expose-headers"]


async def test_without_cors_no_page_may_call(gateway: Gateway) -> None:
    await gateway.open(shop())
    assert (await preflight(gateway, "https://shop.example")).is_problem(405, "method-not-allowed")


def test_any_page_with_credentials_is_refused(gateway: Gateway) -> None:
    with pytest.raises(GatewayModelError, match="name the origins"):
        compile_snapshot(shop(cors=Cors(("*",), credentials=True)), {}, gateway.files.options)


LONG = json.dumps({"text": "atoll " * 500}).encode()


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("gzip, deflate, br, zstd", "zstd"), ("gzip;q=0.1, br", "br")],
)
async def test_long_text_is_compressed_as_the_client_likes(gateway: Gateway, accepted: str, encoding: str) -> None:
    async with backend(answering(reply(body=LONG))) as orders:
        await gateway.open(shop(), orders=orders)
        answer = await gateway.ask("GET", "/price", headers=[("accept-encoding", accepted)])
        assert answer.headers["content-encoding"] == encoding
        assert "accept-encoding" in answer.headers["vary"].lower()
        assert len(answer.body) < 300
        if encoding == "gzip":
            assert gzip.decompress(answer.body) == LONG


async def test_short_binary_and_unasked_replies_are_not_compressed(gateway: Gateway) -> None:
    asked = [("accept-encoding", "gzip")]
    async with backend(answering(reply(body=b"{}"))) as short, backend(answering(reply(body=LONG))) as long:
        await gateway.open(shop(), orders=short, catalog=long)
        assert "content-encoding" not in (await gateway.ask("GET", "/price", headers=asked)).headers
        assert "content-encoding" not in (await gateway.ask("GET", "/catalog/x")).headers
    async with backend(answering(reply(body=LONG, content_type="image/png"))) as picture:
        await gateway.open(shop(), catalog=picture)
        assert "content-encoding" not in (await gateway.ask("GET", "/catalog/x", headers=asked)).headers


async def test_http2_without_tls(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(), orders=orders)
    async with client_builder().http2_prior_knowledge().build() as client:
        answer = await gateway.ask("GET", "/price", client=client, headers=[("atoll-subject", "forged")])
        assert (answer.status, answer.version) == (200, "HTTP/2.0")
        assert "atoll-subject" not in orders.last
        assert (await gateway.ask("GET", "/nowhere", client=client)).is_problem(404, "not-found")


async def test_the_proxys_make_is_not_told(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(rate_limit=RateLimit(1000)), orders=orders)
    answer = await gateway.ask("GET", "/price")
    assert answer.headers["server"] == "atoll"
    assert not [name for name in answer.headers if name.startswith("x-envoy")]
