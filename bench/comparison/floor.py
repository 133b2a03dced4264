"""Starts the floor: see bench/peers/floor."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atoll.platform.local.binaries import find_envoy
from bench.comparison.candidate import Question, Running
from bench.comparison.ground import ground, spare_port

CONFIRMED = """SELECT count(*) FILTER (WHERE status = 'confirmed'), count(*),
               extract(epoch FROM max(confirmed_at))::float8 FROM orders"""
CAPTURED = "SELECT count(*), count(DISTINCT order_id) FROM payments"
UNTOLD = "SELECT count(*), 0 FROM outbox"
EXTENSIONS = "type.googleapis.com/envoy.extensions"
ROUTER = f"{EXTENSIONS}.filters.http.router.v3.Router"
WORKERS = 2  # as many as Atoll's gateway has


@contextmanager
def floor(folder: Path) -> Iterator[Running]:
    """Envoy, two bare applications, PostgreSQL and NATS."""
    with ground(folder) as on:
        port, orders, payments = spare_port(), spare_port(), spare_port()
        databases = {name: on.postgres.create_database() for name in ("orders", "payments")}
        common = {"NATS_URL": on.nats.url, "PAYMENTS_URL": f"http://127.0.0.1:{payments}"}
        for name, at in (("payments", payments), ("orders", orders)):
            argv = uvicorn(f"bench.peers.floor.{name}:app", at)
            on.spawn(name, argv, {**common, "DATABASE_URL": databases[name]}, f"127.0.0.1:{at}/health")
        config = folder / "envoy.json"
        config.write_text(json.dumps(bootstrap(port, orders, on.jwks)))
        argv = [str(find_envoy().path), "--config-path", str(config), "--concurrency", str(WORKERS)]
        on.spawn("envoy", [*argv, "--use-dynamic-base-id", "--log-level", "warning"], {}, f"127.0.0.1:{port}/health")
        yield Running(port, on.token, on.processes, *questions(databases))


def questions(databases: Mapping[str, str]) -> tuple[Question, Question, Question]:
    """What was confirmed, what was captured and what waits in the outbox, in tables that all peers have alike."""
    orders, payments = databases["orders"], databases["payments"]
    return Question(orders, CONFIRMED), Question(payments, CAPTURED), Question(orders, UNTOLD)


def uvicorn(app: str, port: int) -> list[str]:
    """One worker, keep-alive longer than its clients'."""
    return [
        sys.executable, "-m", "uvicorn", app, "--port", str(port), "--loop", "uvloop", "--http", "httptools",
        "--no-access-log", "--log-level", "warning", "--timeout-keep-alive", "120",
    ]  # fmt: skip


def bootstrap(port: int, orders: int, jwks: dict[str, Any]) -> dict[str, Any]:
    """The least that verifies a token and passes a request on."""
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "orders"}}]
    manager = {
        "@type": f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "generate_request_id": False,
        "http_filters": [jwt_filter(jwks), {"name": "router", "typed_config": {"@type": ROUTER}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    }  # fmt: skip
    listener = {
        "address": address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(orders)}}]}]
    assignment = {"cluster_name": "orders", "endpoints": endpoints}
    cluster = {"name": "orders", "type": "STATIC", "load_assignment": assignment}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def jwt_filter(jwks: dict[str, Any]) -> dict[str, Any]:
    provider = {
        "issuer": "shop-auth",
        "audiences": ["shop"],
        "local_jwks": {"inline_string": json.dumps(jwks)},
        "claim_to_headers": [{"header_name": "x-subject", "claim_name": "sub"}],
        "jwt_cache_config": {"jwt_cache_size": 1000},
    }
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}
    config = {
        "@type": f"{EXTENSIONS}.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"issuer": provider},
        "rules": [rule],
    }
    return {"name": "jwt", "typed_config": config}


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
