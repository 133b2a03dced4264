"""Real processes of the nodes, and the real client stack that calls them from this process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.faults.resilience.nodes import Behaviour, First, Fourth, Second, Tally, Third

from atoll.contracts import Api
from atoll.contracts.codec import decoder_for, encode
from atoll.contracts.errors import Error
from atoll.discovery import Balancer, StaticRegistry
from atoll.resilience.records import Hook, ignore
from atoll.service import Resilience
from atoll.transport.http import HttpChannel
from atoll.transport.http.client.channel import Calling
from atoll.transport.http.client.httptools import HttptoolsClient

ROOT = Path(__file__).parents[3]
START = 30.0  # seconds
STOP = 15.0
NAMES = ("first", "second", "third", "fourth")
APIS: Mapping[str, type[Api]] = {"first": First, "second": Second, "third": Third, "fourth": Fourth}
A = TypeVar("A", bound=Api)


def free_ports(count: int) -> list[int]:
    """So many, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@dataclass
class Nodes:
    """urls: by service, one for each instance. processes: by instance."""

    http: HttptoolsClient
    urls: dict[str, list[str]]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    balancers: list[Balancer] = field(default_factory=list)

    async def client(self, api: type[A], resilience: Resilience | None = None, hook: Hook = ignore) -> A:
        """A typed client with the default stack, as a service would have it. hook: is told what its layers do."""
        name = api.service_
        balancer = Balancer(name, StaticRegistry({name: self.urls[name]}))
        await balancer.start()
        await balancer.ready()
        self.balancers.append(balancer)
        calling = Calling(resilience or Resilience(), hook=hook)
        return api(HttpChannel(api, balancer=balancer, http=self.http, calling=calling))

    async def tell(self, name: str, behaviour: Behaviour, *, instance: int = 0) -> Tally:
        """Tells one instance, past all layers, and what it has seen until now."""
        url = self.urls[name][instance] + "/behaviour"
        reply = await self.http.send("PUT", url, {"content-type": "application/json"}, encode(behaviour))
        assert reply.status == 200, reply
        found: Tally = decoder_for(Tally)(reply.body)
        return found

    async def tally(self, name: str, *, instance: int = 0) -> Tally:
        """What one instance has seen since it was told something."""
        reply = await self.http.send("GET", self.urls[name][instance] + "/tally", {})
        found: Tally = decoder_for(Tally)(reply.body)
        return found

    async def wait_ready(self) -> None:
        async with asyncio.timeout(START):
            for url in [url for urls in self.urls.values() for url in urls]:
                while not await self._ready(url):
                    await asyncio.sleep(0.02)

    async def _ready(self, url: str) -> bool:
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended with {process.returncode}"
        try:
            return (await self.http.send("GET", url + "/health/ready", {}, timeout=2.0)).status == 200
        except Error:
            return False

    async def close(self) -> None:
        for balancer in self.balancers:
            await balancer.stop()
        await self.http.close()
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@asynccontextmanager
async def nodes(
    *names: str, instances: int = 1, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[Nodes, None]:
    """The named services run. instances: of the last one. environment: more variables for all of them."""
    counts = {name: instances if name == names[-1] else 1 for name in names}
    ports = iter(free_ports(sum(counts.values())))
    urls = {name: [f"http://127.0.0.1:{next(ports)}" for _ in range(count)] for name, count in counts.items()}
    running = Nodes(HttptoolsClient(), urls)
    try:
        for name in reversed(names):
            for number, url in enumerate(urls[name]):
                running.processes[f"{name}-{number}"] = _start(name, number, url, urls, environment or {})
        await running.wait_ready()
        yield running
    finally:
        await running.close()


def _start(
    name: str, number: int, url: str, urls: Mapping[str, list[str]], more: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    environment: dict[str, Any] = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ATOLL_")},
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ATOLL_PORT": url.rpartition(":")[2],
        "ATOLL_INSTANCE": f"{name}-{number}",
        "ATOLL_LOG_LEVEL": "critical",
        "ATOLL_DRAIN_WAIT": "0",
        "ATOLL_GRACE": "2",
    }
    for other in NAMES:
        environment[f"ATOLL_ENDPOINTS_{other.upper()}"] = ",".join(urls.get(other, ["http://127.0.0.1:1"]))
    target = f"tests.faults.resilience.services:{name}"
    return subprocess.Popen(
        [sys.executable, "-m", "atoll", "serve", target],
        cwd=ROOT,
        env={**environment, **more},
        stdin=subprocess.DEVNULL,
    )
