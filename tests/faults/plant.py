"""The test system as real processes on real servers, and the traffic that it gets."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import IO, Self
from uuid import uuid4

import asyncpg
from tests.faults.bank import Bank
from tests.faults.services import ORDERS_TABLES, PAYMENTS_TABLES

from atoll.testing import NatsServer, PostgresServer
from atoll.testing.servers import free_port

ROOT = Path(__file__).parents[2]
_PATH = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])
TABLES: Mapping[str, str] = {"orders": ORDERS_TABLES, "payments": PAYMENTS_TABLES}
STILL = 60.0  # seconds in which something must move, until everything has come to rest
ANSWER = 5.0  # seconds that a client waits
READY = 120.0  # seconds until a service must have started, on a machine that has other things to do
# Waits for the end of our end of its standard input, which comes even with kill -9 of the tests.
_GUARD = 'cat > /dev/null; kill -9 "$1" 2> /dev/null'
DEAD = "SELECT count(*) FROM atoll.dead_letters"
_PENDING = "SELECT count(*) FROM atoll.relay r, atoll.outbox o WHERE (o.fence, o.position) > (r.fence, r.position)"
_OVERDUE = "status = 'active' AND due < clock_timestamp() - interval '5 seconds'"
_UNREST = f'({_PENDING}) AS "to publish", (SELECT count(*) FROM atoll.parked) AS parked, ({DEAD}) AS dead'
# What still moves in each service; $1 is the number of orders.
UNREST: Mapping[str, str] = {
    "orders": f'''SELECT {_UNREST}, (SELECT $1 - count(*) FROM atoll.sagas) AS "sagas to come",
        (SELECT count(*) FROM atoll.sagas WHERE ended_at IS NULL) AS "sagas open",
        (SELECT count(*) FROM atoll.sagas WHERE {_OVERDUE}) AS "sagas overdue by 5 s"''',
    "payments": f"SELECT {_UNREST}, $1 * 0 AS nothing",
}


class Plant:
    """orders and payments, each with a database of its own. accepted: what clients were told, by order."""

    def __init__(
        self, postgres: PostgresServer, nats: NatsServer, template: str, folder: Path, chance: random.Random
    ) -> None:
        self.postgres, self.nats, self.chance = postgres, nats, chance
        self.urls = {name: postgres.create_database(template) for name in TABLES}
        self.bank = Bank(folder / f"bank-{uuid4().hex[:8]}.db")
        self.accepted: dict[str, int] = {}
        self._numbers = 0
        self._ports = {name: free_port() for name in TABLES}
        self._system = f"s{uuid4().hex[:8]}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._guards: dict[str, subprocess.Popen[bytes]] = {}
        self._log_path = folder / "services.log"
        self._log: IO[bytes] = self._log_path.open("ab")

    async def __aenter__(self) -> Self:
        for name, tables in TABLES.items():
            connection = await asyncpg.connect(self.urls[name])
            await connection.execute(tables)
            await connection.close()
        for name in TABLES:
            self.start(name)
        try:
            await self.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in list(self._processes):
            self.kill(name)
        self._log.close()
        for url in self.urls.values():
            await asyncio.to_thread(self.postgres.drop_database, url)

    def start(self, name: str, crash_at: str = "") -> None:
        """Starts the service; with ``crash_at`` it is to end itself there."""
        if name in self._guards:
            self._unguard(name)
        env = {
**os.environ, "PYTHONPATH": _PATH,
            "ATOLL_SYSTEM": self._system, "ATOLL_SERVICE": name,
            "ATOLL_PORT": str(self._ports[name]), "ATOLL_DATABASE_URL": self.urls[name], "ATOLL_BROKER_URL": self.nats.url,
            "ATOLL_ENDPOINTS_PAYMENTS": f"http://127.0.0.1:{self._ports['payments']}", "ATOLL_DRAIN_WAIT": "0",
            "ATOLL_CRASH_AT": crash_at, "BANK": str(self.bank.path),
        }  # fmt: skip
        argv = [sys.executable, "-m", "atoll", "serve", f"tests.faults.services:{name}"]
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=self._log, stderr=self._log)
        guard = ["/bin/sh", "-c", _GUARD, "guard", str(process.pid)]
        self._processes[name] = process
        self._guards[name] = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)

    def kill(self, name: str) -> None:
        """kill -9."""
        self._unguard(name)
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def _unguard(self, name: str) -> None:
        guard = self._guards.pop(name)
        guard.kill()
        guard.communicate()

    def ended(self, name: str) -> int | None:
        """The exit code, if it has ended."""
        return self._processes[name].poll()

    def last_words(self, name: str) -> str:
        """How it ended, and what was logged last."""
        return f"ended with {self.ended(name)}:\n{self._log_path.read_text()[-2_000:]}"

    async def ready(self) -> None:
        """Returns when all answer. AssertionError at once if one has ended instead, with what it said last."""
        for name in self._processes:
            await until(lambda name=name: self._is_ready(name), f"{name} is ready", within=READY)  # type: ignore[misc]

    async def place(self, number: int, amount: int) -> None:
        """A client that insists until its order is accepted."""
        order_id = f"order-{number}"
        while not await self.post("orders", "/orders", {"order_id": order_id, "amount": amount}, order_id):
            await asyncio.sleep(0.1)
        self.accepted[order_id] = amount

    async def wave(self, count: int, *, poison: bool = False) -> None:
        """So many clients at once."""
        first, self._numbers = self._numbers, self._numbers + count
        endings = [3, 4, 5, 6, 7, 8, 9, 0] if not poison else [1, 2, 3, 4, 0]
        amounts = [10 * self.chance.randrange(1, 50) + endings[n % len(endings)] for n in range(count)]
        await asyncio.gather(*(self.place(first + n, amount) for n, amount in enumerate(amounts)))

    async def post(self, name: str, path: str, body: object = None, key: str = "") -> bool:
        """Whether the service answered with success."""
        return await asyncio.to_thread(self._post, name, path, body, key)

    async def rest(self) -> None:
        """Heals and redrives what is dead; returns when nothing is left to do. AssertionError says what is, and does not move."""
        self.bank.heal(*self.accepted)
        left = await self._unrest()
        while left:
            left = await self._change_of(left)

    async def _change_of(self, left: str) -> str:
        """What is left, as soon as it is something else. However slow the machine is, something must move."""
        now = left

        async def changed() -> bool:
            nonlocal now
            if "dead" in left:
                await self.post("payments", "/redrive")
            now = await self._unrest()
            return now != left

        await until(changed, left, within=STILL)
        return now

    async def count(self, name: str, statement: str) -> int:
        """One number from a service's database."""
        return int((await self.rows(name, statement))[0][0])

    async def rows(self, name: str, statement: str, *values: object) -> list[asyncpg.Record]:
        """Rows from a service's database."""
        connection = await asyncpg.connect(self.urls[name])
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    async def _unrest(self) -> str:
        found: list[str] = []
        for name, statement in UNREST.items():
            (row,) = await self.rows(name, statement, len(self.accepted))
            found.extend(f"{what} of {name}: {number}" for what, number in row.items() if number)
        return ", ".join(found)

    async def _is_ready(self, name: str) -> bool:
        assert self.ended(name) is None, f"{name} {self.last_words(name)}"
        url = f"http://127.0.0.1:{self._ports[name]}/health/ready"
        return await asyncio.to_thread(_success, urllib.request.Request(url))

    def _post(self, name: str, path: str, body: object, key: str) -> bool:
        headers = {"content-type": "application/json"} | ({"idempotency-key": key} if key else {})
        url = f"http://127.0.0.1:{self._ports[name]}{path}"
        data = b"" if body is None else json.dumps(body).encode()
        return _success(urllib.request.Request(url, data=data, headers=headers, method="POST"))


def _success(request: urllib.request.Request) -> bool:
    try:
        with urllib.request.urlopen(request, timeout=ANSWER) as reply:
            return 200 <= int(reply.status) < 300
    except (OSError, urllib.error.URLError, ValueError):
        return False
    except Exception as error:  # http.client's own errors of a connection that ends half-way
        if "http.client" not in type(error).__module__:
            raise
        return False


async def until(what: Callable[[], Awaitable[bool]], name: str, *, within: float) -> None:
    """Returns when ``what`` holds; the database may be away meanwhile."""
    stop = time.monotonic() + within
    while True:
        try:
            if await what():
                return
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pass
        assert time.monotonic() < stop, f"not within {within:g} s: {name}"
        await asyncio.sleep(0.05)
