"""Starts Nameko's stack: see bench/peers/nameko."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atoll.testing.servers import Server, free_port
from bench.comparison.candidate import Running
from bench.comparison.floor import questions
from bench.comparison.ground import ROOT, ground, spare_port
from bench.comparison.nginx import missing_nginx, start_nginx
from bench.comparison.peers import missing_peer, peer_folder

RABBITMQ = ROOT / "scripts" / "rabbitmq"
CONFIG = ROOT / "bench" / "peers" / "nameko" / "config.yaml"


class RabbitServer(Server):
    """RabbitMQ, one node; what it confirms of persistent messages is on the disk."""

    ready_text = "Server startup complete"

    def argv(self) -> list[str]:
        data = str(self.folder / "rabbitmq")
        return [str(RABBITMQ), "run", data, str(self.port), str(free_port()), str(free_port())]


def missing_nameko() -> str:
    installed = subprocess.run([RABBITMQ, "install"], capture_output=True, text=True, check=False)
    return missing_nginx() or missing_peer("nameko") or (installed.stderr.strip() if installed.returncode else "")


@contextmanager
def nameko(folder: Path) -> Iterator[Running]:
    """nginx, two services, PostgreSQL and RabbitMQ."""
    program = peer_folder("nameko") / "venv" / "bin" / "nameko"
    with ground(folder) as on, RabbitServer() as rabbit:
        del on.processes["nats"]  # it only stands by
        on.processes["rabbitmq"] = rabbit._running().pid
        port, ports = spare_port(), {name: spare_port() for name in ("payments", "orders")}
        databases = {name: on.postgres.create_database() for name in ports}
        common = {
            "AMQP_URL": f"pyamqp://guest:guest@127.0.0.1:{rabbit.port}",
            "JWKS": json.dumps(on.jwks),
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": str(ROOT),
        }
        for name, at in ports.items():
            argv: list[str | Path] = [program, "run", "--config", CONFIG, f"bench.peers.nameko.{name}"]
            own = {"DATABASE_URL": databases[name], "PORT": str(at)}
            on.spawn(name, argv, {**common, **own}, f"127.0.0.1:{at}/health")
        start_nginx(on, port, ports["orders"])
        try:
            yield Running(port, on.token, on.processes, *questions(databases))
        finally:
            on.end()  # before their broker goes
