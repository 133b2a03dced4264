"""Starts Moleculer's stack: see bench/peers/moleculer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.comparison.candidate import Running
from bench.comparison.floor import questions
from bench.comparison.ground import ground, spare_port
from bench.comparison.peers import peer_folder

# Two of them have no port: the gateway's tells, because it starts when they are there.
SERVICES = ("payments", "orders")


@contextmanager
def moleculer(folder: Path) -> Iterator[Running]:
    """moleculer-web, two services, PostgreSQL and NATS."""
    home = peer_folder("moleculer")
    with ground(folder) as on:
        port = spare_port()
        databases = {name: on.postgres.create_database() for name in SERVICES}
        common = {"NATS_URL": on.nats.url, "PUBLIC_KEY": on.public_pem, "PORT": str(port), "NODE_ENV": "production"}
        for name in SERVICES:
            on.spawn(name, ["node", f"{name}.js"], {**common, "DATABASE_URL": databases[name]}, "", home)
        on.spawn("gateway", ["node", "gateway.js"], common, f"127.0.0.1:{port}/health", home)
        yield Running(port, on.token, on.processes, *questions(databases))
