"""A routed GET through Atoll's gateway, and through proxies: see bench/peers/proxies."""

from __future__ import annotations

import http.client
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atoll.contracts import Api, Message, Operation, RateLimit
from atoll.platform.gateway import Endpoint, GatewayFiles, GatewayOptions, compile_snapshot
from atoll.platform.local.binaries import find_envoy
from atoll.system import Gateway, Jwt, Route, Service, System
from bench.comparison.floor import EXTENSIONS, ROUTER, WORKERS, address
from bench.comparison.ground import ROOT, Bare, bare_ground, spare_port
from bench.comparison.measure import Found, Work, Wrong
from bench.comparison.nginx import missing_nginx, run_nginx
from bench.comparison.peers import missing_peer, peer_folder
from bench.comparison.processes import cpu_seconds
from bench.comparison.rate import Target, rate
from bench.service import Quote

FILES = ROOT / "bench" / "peers" / "proxies"
ANSWER = '{"sku":"A1","total":300}'
JWKS = "/.well-known/jwks.json"
PATH = "/orders/1"
PLENTY = 1_000_000  # requests a second


class ById(Message):
    id: str


class Orders(Api):
    get = Operation("GET /orders/{id}", ById, Quote)


@dataclass(frozen=True)
class Proxy:
    """start: (servers, its port, the upstream's port). missing: what it lacks here, or ""."""

    start: Callable[[Bare, int, int], None]
    missing: Callable[[], str] = lambda: ""


def gateway(name: str, work: Work) -> Found:
    """Requests a second, and what one costs the proxy."""
    with started(name) as (on, port):
        headers = {"authorization": f"Bearer {on.token}"}
        check(port, headers, verifies=name == "atoll")
        target = Target(port, "GET", PATH, headers)
        rate(target, work.connections, min(1.0, work.seconds))
        process = {name: on.processes[name]}
        before = cpu_seconds(process)
        found = rate(target, work.connections, work.seconds)
        spent = cpu_seconds(process)[name] - before[name]
    return {**found.figures(), "CPU us/request": spent / found.requests * 1e6}, {}


@contextmanager
def started(name: str) -> Iterator[tuple[Bare, int]]:
    """An upstream that answers at once, and the proxy before it."""
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder, bare_ground(Path(folder)) as on:
        upstream, port = spare_port(), spare_port()
        config = on.folder / "upstream.json"
        config.write_text(json.dumps(answering(upstream, {JWKS: json.dumps(on.jwks), "/": ANSWER})))
        envoy(on, "upstream", config, f"127.0.0.1:{upstream}/", workers=1)
        PROXIES[name].start(on, port, upstream)
        yield on, port


def check(port: int, headers: dict[str, str], *, verifies: bool) -> None:
    """The answer is the upstream's; without a token a gateway that verifies refuses."""
    status, body = get(port, headers)
    if (status, body) != (200, ANSWER.encode()):
        raise Wrong(f"the request was answered {status} {body[:300]!r}")
    if verifies and (refused := get(port, {})[0]) != 401:
        raise Wrong(f"a request without a token was answered {refused}")


def get(port: int, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", PATH, headers=headers)
    reply = connection.getresponse()
    answer = reply.status, reply.read()
    connection.close()
    return answer


def envoy(on: Bare, name: str, config: Path, ready: str, workers: int = WORKERS) -> None:
    argv = [str(find_envoy().path), "--config-path", str(config), "--concurrency", str(workers)]
    on.spawn(name, [*argv, "--use-dynamic-base-id", "--log-level", "warning"], {}, ready)


def atoll(on: Bare, port: int, upstream: int) -> None:
    """As `atoll up` compiles it: token, limit of requests, tracing headers, access log."""
    system = System(
        "shop",
        services=(Service("auth", asgi="auth:app"), Service("orders", serve="shop_orders:service", offers=(Orders,))),
        gateway=Gateway(
            routes=(Route(Orders),),
            jwt=Jwt("auth", issuer="shop-auth", audience="shop"),
            rate_limit=RateLimit(PLENTY, 1.0),
        ),
    )
    options = GatewayOptions(port, spare_port(), access_log=str(on.folder / "access.log"), concurrency=WORKERS)
    endpoint = [Endpoint(f"http://127.0.0.1:{upstream}", "one", "dev")]
    files = GatewayFiles(on.folder / "gateway", options)
    files.install(compile_snapshot(system, {"auth": endpoint, "orders": endpoint}, options))
    on.spawn("atoll", files.argv(find_envoy().path), {}, f"127.0.0.1:{options.admin_port}/ready")
    on.until(f"127.0.0.1:{port}{PATH}")


def bare_envoy(on: Bare, port: int, upstream: int) -> None:
    """No policy at all."""
    config = on.folder / "envoy.json"
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}]
    assignment = {"cluster_name": "upstream", "endpoints": endpoints}
    cluster = {"name": "upstream", "type": "STATIC", "load_assignment": assignment}
    config.write_text(json.dumps(listening(port, routes, [cluster])))
    envoy(on, "envoy", config, f"127.0.0.1:{port}/")


def answering(port: int, bodies: dict[str, str]) -> dict[str, Any]:
    """An Envoy that answers by itself; bodies: path (or its beginning) -> body."""
    routes = [
        {"match": {"prefix": path}, "direct_response": {"status": 200, "body": {"inline_string": body}}}
        for path, body in bodies.items()
    ]
    return listening(port, routes, [])


def listening(port: int, routes: list[dict[str, Any]], clusters: list[dict[str, Any]]) -> dict[str, Any]:
    manager = {
        "@type": f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "generate_request_id": False,
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    }
    filters = [{"filters": [{"name": "http", "typed_config": manager}]}]
    return {
        "static_resources": {"listeners": [{"address": address(port), "filter_chains": filters}], "clusters": clusters}
    }


def filled(on: Bare, file: str, port: int, upstream: int) -> Path:
    """A configuration of bench/peers/proxies for these ports."""
    config = on.folder / file
    text = (FILES / file).read_text().replace("UPSTREAM", str(upstream)).replace("PORT", str(port))
    config.write_text(text.replace("FOLDER", str(on.folder)))
    return config


def nginx(on: Bare, port: int, upstream: int) -> None:
    config = filled(on, "nginx.conf", port, upstream)
    run_nginx(on, config, f"127.0.0.1:{port}/")


def caddy(on: Bare, port: int, upstream: int) -> None:
    config = filled(on, "Caddyfile", port, upstream)
    argv: list[str | Path] = [
        peer_folder("proxies") / "bin" / "caddy",
        "run",
        "--config",
        config,
        "--adapter",
        "caddyfile",
    ]
    on.spawn("caddy", argv, {"HOME": str(on.folder)}, f"127.0.0.1:{port}/")


def traefik(on: Bare, port: int, upstream: int) -> None:
    routes = filled(on, "traefik-routes.yaml", port, upstream)
    argv: list[str | Path] = [
        peer_folder("proxies") / "bin" / "traefik",
        f"--entrypoints.web.address=127.0.0.1:{port}",
        f"--providers.file.filename={routes}",
        "--accesslog=true", "--accesslog.format=json", f"--accesslog.filepath={on.folder / 'access.log'}",
        "--log.level=ERROR", "--global.checknewversion=false", "--global.sendanonymoususage=false",
    ]  # fmt: skip
    on.spawn("traefik", argv, {}, "")
    on.until(f"127.0.0.1:{port}{PATH}")


PROXIES = {
    "atoll": Proxy(atoll),
    "envoy": Proxy(bare_envoy),
    "nginx": Proxy(nginx, missing_nginx),
    "traefik": Proxy(traefik, lambda: missing_peer("proxies")),
    "caddy": Proxy(caddy, lambda: missing_peer("proxies")),
}
