"""Starts the Go stack: see bench/peers/go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.comparison.candidate import Running
from bench.comparison.floor import questions
from bench.comparison.ground import ground, spare_port
from bench.comparison.nginx import missing_nginx, start_nginx
from bench.comparison.peers import missing_peer, peer_folder


def missing_go() -> str:
    return missing_nginx() or missing_peer("go")


@contextmanager
def go(folder: Path) -> Iterator[Running]:
    """nginx, two services, PostgreSQL and NATS."""
    program = peer_folder("go") / "shop"
    with ground(folder) as on:
        port, orders, payments = spare_port(), spare_port(), spare_port()
        databases = {name: on.postgres.create_database() for name in ("orders", "payments")}
        common = {"NATS_URL": on.nats.url, "PAYMENTS_URL": f"http://127.0.0.1:{payments}", "PUBLIC_KEY": on.public_pem}
        for name, at in (("payments", payments), ("orders", orders)):
            own = {"DATABASE_URL": databases[name], "PORT": str(at)}
            on.spawn(name, [program, name], {**common, **own}, f"127.0.0.1:{at}/health")
        start_nginx(on, port, orders)
        yield Running(port, on.token, on.processes, *questions(databases))
