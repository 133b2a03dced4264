"""What telemetry costs the checkout: the whole shop with it off and on in turn, A B A B in one run.

    python -m bench telemetry_checkout [--orders 1000] [--connections 16] [--rounds 2]

On: every trace is recorded and sent, with metrics and logs, by services and gateway, to a collector that takes everything. Each
round starts the real system on an empty folder, places some orders to warm up and then measures: orders accepted and confirmed a
second, and the CPU time of all of its processes for 1,000 orders, which hardly depends on what else the machine does.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid
from pathlib import Path
from typing import Any

import psutil
import uvloop

from atoll.transport.http.client.httptools import HttptoolsClient
from bench.comparison.arguments import Parser, connections, count
from bench.telemetry import started

ATOLL = Path(sys.executable).with_name("atoll")
SYSTEM = Path(__file__).resolve().parents[1] / "shop" / "system.py"
WARM_UP = 100  # orders
LAST = 20  # orders that are looked at for their confirmation
PATIENCE = 60.0  # seconds for that
JSON = {"content-type": "application/json"}
ORDER = {"items": [{"sku": "A1", "quantity": 1}], "currency": "EUR"}


class Customer:
    """One account, and orders from many connections."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._http = HttptoolsClient()
        self._bearer: dict[str, str] = {}

    async def sign_in(self) -> None:
        email, password = f"{uuid.uuid4().hex}@example.com", uuid.uuid4().hex
        await self._ask("POST", "/auth/register", json.dumps({"email": email, "password": password}).encode(), JSON)
        form = urllib.parse.urlencode({"grant_type": "password", "username": email, "password": password}).encode()
        token = await self._ask("POST", "/auth/token", form, {"content-type": "application/x-www-form-urlencoded"})
        self._bearer = {"authorization": f"Bearer {token['access_token']}"}

    async def place(self, orders: int, connections: int) -> list[str]:
        """The ids, in the order in which they were accepted."""
        left, found = iter(range(orders)), list[str]()

        async def one_connection() -> None:
            for _ in left:
                answer = await self._ask("POST", "/orders", json.dumps(ORDER).encode(), {**JSON, **self._bearer})
                found.append(answer["id"])

        await asyncio.gather(*(one_connection() for _ in range(connections)))
        return found

    async def confirmed(self, orders: list[str]) -> None:
        """Until the last of them are."""
        until = time.monotonic() + PATIENCE
        for order in orders[-LAST:]:
            while (await self._ask("GET", f"/orders/{order}", b"", self._bearer))["status"] != "confirmed":
                if time.monotonic() > until:
                    sys.exit(f"order {order} was not confirmed within {PATIENCE:g} s")
                await asyncio.sleep(0.02)  # between polls of a state that another process changes

    async def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
        reply = await self._http.send(method, self._gateway + path, headers, body)
        if reply.status >= 400:
            sys.exit(f"{method} {path} answered {reply.status}: {reply.body.decode()[:300]}")
        return json.loads(reply.body)


async def checkout(gateway: str, processes: dict[str, int], orders: int, connections: int) -> dict[str, float]:
    customer = Customer(gateway)
    await customer.sign_in()
    await customer.confirmed(await customer.place(WARM_UP, connections))
    before, began = spent(processes), time.monotonic()
    placed = await customer.place(orders, connections)
    accepted = time.monotonic() - began
    await customer.confirmed(placed)
    took = time.monotonic() - began
    await asyncio.sleep(1.0)  # what is sent late is part of the cost
    after = spent(processes)
    found = {"accepted/s": orders / accepted, "confirmed/s": orders / took}
    used = {name: (after[name] - before[name]) / orders * 1000 for name in processes}
    return (
        found
        | {f"CPU s a 1,000: {name}": value for name, value in used.items()}
        | {"CPU s a 1,000": sum(used.values())}
    )


def spent(processes: dict[str, int]) -> dict[str, float]:
    """CPU seconds so far, of each with its children."""
    found = {}
    for name, pid in processes.items():
        family = (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
        found[name] = sum(sum(process.cpu_times()[:2]) for process in family)
    return found


def measure(variables: dict[str, str], orders: int, connections: int) -> dict[str, float]:
    """One start of the whole system with these variables."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "shop"
        shutil.copytree(SYSTEM.parent, copy, ignore=shutil.ignore_patterns(".atoll", "__pycache__"))
        unlimited(copy / "system.py")
        environment = {**os.environ, "ATOLL_RESILIENCE_SERVER__SHED": "off", **variables}
        atoll = [str(ATOLL), "--system", str(copy / "system.py")]
        try:
            state = json.loads(
                run([atoll[0], "up", *atoll[1:], "-d", "--isolated", "--no-watch", "--json"], environment)
            )
            processes = {name: part["pid"] for name, part in state["parts"].items() if part["pid"]}
            for name, service in state["services"].items():
                processes |= {f"{name}-{at}": one["pid"] for at, one in enumerate(service["instances"], 1)}
            return uvloop.run(checkout(state["gateway"], processes, orders, connections))
        finally:
            run([atoll[0], "down", *atoll[1:]], environment)


def unlimited(system: Path) -> None:
    """One customer orders as fast as it goes."""
    text = system.read_text()
    text = text.replace("Gateway(\n", "Gateway(\n        rate_limit=RateLimit(requests=1_000_000),\n", 1)
    system.write_text(
        text.replace("from atoll.system import", "from atoll.contracts import RateLimit\nfrom atoll.system import", 1)
    )


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--orders", type=count, default=1000)
    parser.add_argument("--connections", type=connections, default=16)
    parser.add_argument("--rounds", type=count, default=2)
    chosen = parser.parse_args()
    with started("collect", {}) as (port, _):
        ways = {
            "off": {"OTEL_SDK_DISABLED": "true"},
            "on": {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"},
        }
        found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(chosen.rounds):
            for way, variables in ways.items():
                found[way].append(measure(variables, chosen.orders, chosen.connections))
                print(way, {name: round(value, 3) for name, value in found[way][-1].items()}, flush=True)
    for name in found["off"][0]:
        off, on = (statistics.median(one[name] for one in found[way]) for way in ("off", "on"))
        print(f"{name:26} off {off:8.2f}  on {on:8.2f}  on/off {on / off if off else 1:.3f}")


if __name__ == "__main__":
    main()
