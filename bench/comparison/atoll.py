"""Atoll's own candidate: the whole shop, as `atoll up` starts it. Only its limit of requests a customer is lifted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atoll.cli.databases import running_database_urls
from bench.comparison.candidate import Question, Running

ATOLL = Path(sys.executable).with_name("atoll")
SHOP = Path(__file__).resolve().parents[2] / "shop"
CONFIRMED = """SELECT count(*) FILTER (WHERE subject = 'order.paid'), count(*) FILTER (WHERE subject = 'order.placed'),
               extract(epoch FROM max(recorded_at) FILTER (WHERE subject = 'order.paid'))::float8 FROM atoll.events"""
CAPTURED = """SELECT count(*), count(DISTINCT key) FROM acquirer_ledger WHERE amount > 0"""
UNTOLD = (
    """SELECT count(*), 0 FROM atoll.outbox o JOIN atoll.relay r ON (o.fence, o.position) > (r.fence, r.position)"""
)


@contextmanager
def shop(folder: Path, *options: str, instances: int = 1) -> Iterator[Running]:
    """The shop on an empty folder. options: further ones of `atoll up`. instances: of each service."""
    system = folder / "shop" / "system.py"
    shutil.copytree(SHOP, system.parent, ignore=shutil.ignore_patterns(".atoll", "__pycache__"))
    unlimited(system)
    system.write_text(system.read_text().replace("database=True", f"database=True, instances={instances}"))
    try:
        state = json.loads(run("up", "-d", "--isolated", "--no-watch", "--json", *options, system=system))
        urls = running_database_urls(system)
        yield Running(
            port=urllib.parse.urlsplit(state["gateway"]).port or 0,
            token=sign_in(state["gateway"]),
            processes=dict(processes(state)),
            confirmed=Question(urls["orders"], CONFIRMED),
            captured=Question(urls["payments"], CAPTURED),
            untold=Question(urls["orders"], UNTOLD),
        )
    finally:
        run("down", system=system)


def unlimited(system: Path) -> None:
    """One customer orders as fast as it goes."""
    text = system.read_text()
    text = text.replace("Gateway(\n", "Gateway(\n        rate_limit=RateLimit(requests=1_000_000),\n", 1)
    system.write_text(
        text.replace("from atoll.system import", "from atoll.contracts import RateLimit\nfrom atoll.system import", 1)
    )


def processes(state: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Everything that `atoll up` started, the supervisor too."""
    for name, part in state["parts"].items():
        if part["pid"]:
            yield name, part["pid"]
    for name, service in state["services"].items():
        for at, instance in enumerate(service["instances"], 1):
            yield f"{name}-{at}", instance["pid"]


def sign_in(gateway: str) -> str:
    """A new customer's token."""
    email, password = f"{uuid.uuid4().hex}@example.com", uuid.uuid4().hex
    account = json.dumps({"email": email, "password": password}).encode()
    ask(f"{gateway}/auth/register", account, "application/json")
    form = urllib.parse.urlencode({"grant_type": "password", "username": email, "password": password}).encode()
    return str(ask(f"{gateway}/auth/token", form, "application/x-www-form-urlencoded")["access_token"])


def ask(url: str, body: bytes, kind: str) -> Any:
    request = urllib.request.Request(url, body, {"content-type": kind})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def without_servers() -> str:
    """PATH without folders of a PostgreSQL or NATS of the machine: all candidates are to have the wheels' versions."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    servers = ("postgres", "nats-server")
    return os.pathsep.join(
        folder for folder in folders if folder and not any((Path(folder) / name).exists() for name in servers)
    )


def run(verb: str, *options: str, system: Path) -> str:
    command = [str(ATOLL), verb, *options, "--system", str(system)]
    # Shedding protects a service that falls behind; here all the load is to be taken, by every candidate.
    environment = {**os.environ, "PATH": without_servers(), "ATOLL_RESILIENCE_SERVER__SHED": "off"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout
