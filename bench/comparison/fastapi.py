"""Starts the FastAPI stack: see bench/peers/fastapi."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.comparison.candidate import Question, Running
from bench.comparison.floor import CAPTURED, CONFIRMED, uvicorn
from bench.comparison.ground import ROOT, ground, spare_port

CONFIG = ROOT / "bench" / "peers" / "fastapi" / "nginx.conf"


def missing() -> str:
    """nginx comes from the system, the rest from this repository's set-up."""
    if shutil.which("nginx") is None:
        return "there is no nginx (Debian, Ubuntu: apt install nginx-light)"
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
        config = folder / "nginx.conf"
        text = CONFIG.read_text().replace("ORDERS", str(orders)).replace("PORT", str(port))
        config.write_text(text.replace("FOLDER", str(folder)))
        on.spawn("nginx", ["nginx", "-c", str(config), "-p", str(folder)], {}, f"127.0.0.1:{port}/health")
        yield Running(
            port,
            on.token,
            on.processes,
            Question(databases["orders"], CONFIRMED),
            Question(databases["payments"], CAPTURED),
        )
