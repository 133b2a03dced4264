"""Starts the FastAPI stack: see bench/peers/fastapi."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.comparison.candidate import Running
from bench.comparison.floor import questions, uvicorn
from bench.comparison.ground import ground, spare_port
from bench.comparison.nginx import missing_nginx, start_nginx


def missing() -> str:
    """nginx is to be there, the rest from this repository's set-up."""
    if lacking_nginx := missing_nginx():
        return lacking_nginx
    lacking = [name for name in ("httpx", "faststream", "jwt") if importlib.util.find_spec(name) is None]
    return f"no {', '.join(lacking)}; run make setup" if lacking else ""


@contextmanager
def fastapi(folder: Path) -> Iterator[Running]:
    """nginx, two applications, PostgreSQL and NATS."""
    with ground(folder) as on:
        port, orders, payments = spare_port(), spare_port(), spare_port()
        databases = {name: on.postgres.create_database() for name in ("orders", "payments")}
        common = {"NATS_URL": on.nats.url, "PAYMENTS_URL": f"http://127.0.0.1:{payments}", "JWKS": json.dumps(on.jwks)}
        for name, at in (("payments", payments), ("orders", orders)):
            argv = uvicorn(f"bench.peers.fastapi.{name}:app", at)
            on.spawn(name, argv, {**common, "DATABASE_URL": databases[name]}, f"127.0.0.1:{at}/health")
        start_nginx(on, port, orders)
        yield Running(port, on.token, on.processes, *questions(databases))
