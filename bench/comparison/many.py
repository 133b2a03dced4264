"""A generated system of many services, each with a database and events of its own: how long it starts, and what it holds."""

from __future__ import annotations

import json
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.comparison.atoll import processes, run
from bench.comparison.measure import Found, Work, Wrong
from bench.comparison.processes import cpu_seconds, family, resident

IDLE = 2.0  # seconds for which the CPU at rest is measured
CONTRACTS = """from atoll.contracts import PUBLIC, Api, Message, Operation


class Answer(Message):
    service: str
"""
API = """

class S{n}(Api):
    get = Operation("GET /s{n}", None, Answer, access=PUBLIC)
"""
SERVICE = """from atoll.service import Service, implements
from many_contracts import S{n}, Answer


@implements(S{n}.get)
async def get() -> Answer:
    return Answer("s{n}")


service = Service("s{n}", handlers=[get])
"""
SYSTEM = """from atoll.system import Gateway, Nats, Postgres, Route, Service, System
from many_contracts import {apis}

system = System(
    "many",
    services=(
{services}
    ),
    gateway=Gateway(routes=({routes},)),
    postgres=Postgres(),
    broker=Nats(),
)
"""
DECLARED = '        Service("s{n}", serve="s{n}:service", source="s{n}", offers=(S{n},), database=True, events=True),'


def generate(folder: Path, count: int) -> Path:
    """Writes it; the path of its system.py."""
    numbers = range(1, count + 1)
    (folder / "many_contracts.py").write_text(CONTRACTS + "".join(API.format(n=n) for n in numbers))
    for n in numbers:
        package = folder / f"s{n}" / f"s{n}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(SERVICE.format(n=n))
    apis = ", ".join(f"S{n}" for n in numbers)
    routes = ", ".join(f"Route(S{n})" for n in numbers)
    system = folder / "system.py"
    services = "\n".join(DECLARED.format(n=n) for n in numbers)
    system.write_text(SYSTEM.format(apis=apis, services=services, routes=routes))
    return system


def services(count: int, _: Work) -> Found:
    """Seconds and megabytes; the last service must answer through the gateway."""
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        system = generate(Path(folder), count)
        try:
            began = time.monotonic()
            state = json.loads(run("up", "-d", "--isolated", "--no-watch", "--no-dashboard", "--json", system=system))
            ready = time.monotonic() - began
            check(state["gateway"], count)
            figures = {"all ready, s": ready, **at_rest(dict(processes(state)))}
        finally:
            run("down", system=system)
        began = time.monotonic()
        try:
            run("up", "-d", "--isolated", "--no-watch", "--no-dashboard", "--json", system=system)
            figures["second start, s"] = time.monotonic() - began
        finally:
            run("down", system=system)
    return figures, {}


def check(gateway: str, count: int) -> None:
    with urllib.request.urlopen(f"{gateway}/s{count}", timeout=30) as reply:
        if json.load(reply) != {"service": f"s{count}"}:
            raise Wrong(f"service s{count} did not answer as itself")


def at_rest(pids: dict[str, int]) -> dict[str, float]:
    """Memory by kind of process in MiB, and CPU in percent of one core, with nothing to do."""
    before = cpu_seconds(pids)
    time.sleep(IDLE)
    used = sum(cpu_seconds(pids).values()) - sum(before.values())
    held = {name: sum(resident(one) for one in family(pid)) / 2**20 for name, pid in pids.items()}
    parts = {f"{name}, MiB": held[name] for name in ("postgres", "nats", "envoy") if name in held}
    own = [value for name, value in held.items() if f"{name}, MiB" not in parts]
    return {
        "all, MiB": sum(held.values()),
        "a service, MiB": sum(own) / len(own),
        **parts,
        "at rest, CPU %": used / IDLE * 100,
    }
