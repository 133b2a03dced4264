"""Start-up needs no order: each service starts with everything else away, and becomes ready by itself when that comes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.faults.lifecycle.served import Served, import_path
from tests.system.calls import call
from tests.system.local_system import REPOSITORY, clean_environment, copy_of_shop
from tests.system.shopper import ONE
from tests.system.waiting import until

from atoll.system import Service, System
from atoll.system.load import load_system
from atoll.testing import NatsServer, PostgresServer
from atoll.testing.servers import free_port

WITHIN = 60.0  # seconds
DATABASE, BROKER = "postgres", "nats"
SECRET = "a secret of this test"


class World:
    """The shop's parts, none of which runs yet."""

    def __init__(self, folder: Path) -> None:
        self.root = copy_of_shop(folder)
        self.system: System = load_system(self.root / "system.py")
        self.services = {service.name: service for service in self.system.services}
        self.running: dict[str, Served] = {}
        self.servers: dict[str, PostgresServer | NatsServer] = {DATABASE: PostgresServer(), BROKER: NatsServer()}
        self.up: set[str] = set()
        self._ports = {name: free_port() for name in self.services}
        self._databases: dict[str, str] = {}
        self._migrate()

    def arrive(self, part: str) -> None:
        if part in self.servers:
            self.servers[part].start()
            self.up.add(part)
        else:
            service = self.services[part]
            log = self.root / f"{part}.log"
            self.running[part] = Served(service.serve, self._ports[part], self._variables(service), log)

    def leave(self) -> None:
        """Everything."""
        for served in self.running.values():
            served.end()
        for name in self.up:
            self.servers[name].stop()
        self.running, self.up = {}, set()

    def expected(self, service: str) -> bool:
        """Whether it can be ready."""
        return DATABASE in self.up and (BROKER in self.up or not self.services[service].events)

    def look(self) -> None:
        """Each running service is alive and started, and ready if it can be."""
        for name, served in self.running.items():
            for page in ("live", "started"):
                until(lambda p=page, s=served: up(s, p), within=WITHIN, what=f"{name} is {page}\n{served.said()}")  # type: ignore[misc]
            wanted = self.expected(name)
            until(lambda s=served, w=wanted: s.is_ready() is w, within=WITHIN, what=f"{name} ready: {wanted}")  # type: ignore[misc]
            if not wanted:
                page_of = served.page("ready")
                assert page_of is not None
                assert any(check["status"] == "down" for check in page_of.json["checks"].values()), page_of.json

    def order(self) -> str:
        """Places one, as the gateway does, and waits until it is paid; its id."""
        base = self.running["orders"].url
        headers = {
            "atoll-peer": f"gateway:{SECRET}",
            "atoll-subject": "ada",
            "atoll-scopes": "orders:read orders:write",
        }
        order: str = call(base, "POST", "/orders", ONE, headers=headers).must(201).json["id"]
        until(
            lambda: call(base, "GET", f"/orders/{order}", headers=headers).json.get("status") == "confirmed",
            within=WITHIN, what=f"order {order} is confirmed", pause=0.1,
        )  # fmt: skip
        return order

    def _migrate(self) -> None:
        database = self.servers[DATABASE]
        assert isinstance(database, PostgresServer)
        database.start()
        for name, service in self.services.items():
            self._databases[name] = database.create_database()
            subprocess.run(
                [sys.executable, "-m", "atoll", "migrate", service.serve],
                cwd=REPOSITORY, env={**clean_environment(), **self._variables(service)}, check=True, capture_output=True,
            )  # fmt: skip
        database.stop()

    def _variables(self, service: Service) -> Mapping[str, str]:
        broker = self.servers[BROKER]
        assert isinstance(broker, NatsServer)
        others = {f"ATOLL_ENDPOINTS_{name.upper()}": f"http://127.0.0.1:{port}" for name, port in self._ports.items()}
        return {
            **others,
            "ATOLL_DATABASE_URL": self._databases[service.name],
            "ATOLL_BROKER_URL": broker.url,
            "ATOLL_SYSTEM": "shop",
            "ATOLL_PEERS": json.dumps(dict.fromkeys(("gateway", *self.services), SECRET)),
            "ATOLL_PEER_KEYS": json.dumps(dict.fromkeys(self.services, SECRET)),
            "ATOLL_DRAIN_WAIT": "0",
            "PYTHONPATH": import_path(self.root / service.source / "src", self.root)
            + os.pathsep
            + os.environ.get("PYTHONPATH", ""),
        }


def up(served: Served, page: str) -> bool:
    answer = served.page(page)
    return answer is not None and answer.status == 200


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[[], World]]:
    made: list[World] = []

    def make() -> World:
        made.append(World(tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.leave()
        for server in one.servers.values():
            server.remove()


def test_each_service_starts_alone_and_is_ready_when_the_others_come(
    world: Callable[[], World], rounds: int, chance: random.Random
) -> None:
    here = world()
    seen = 0
    for _ in range(rounds):
        for first in here.services:
            rest = [part for part in (*here.services, *here.servers) if part != first]
            arrivals = [first, *chance.sample(rest, len(rest))]
            print(f"order of arrival: {', '.join(arrivals)}")
            for part in arrivals:
                here.arrive(part)
                here.look()
            here.order()
            here.leave()
            seen += 1
    print(f"{seen} orders of arrival: each service was alive and started at once, and ready when it could be")
