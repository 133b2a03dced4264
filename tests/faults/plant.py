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
SETTLE = 120.0  # seconds until everything must have come to rest
ANSWER = 5.0  # seconds that a client waits
READY = 120.0  # seconds until a service must have started, on a machine that has other things to do
# Waits for the end of our end of its standard input, which comes even with kill -9 of the tests.
_GUARD = 'cat > /dev/null; kill -9 "$1" 2> /dev/null'
PENDING = "SELECT count(*) FROM atoll.relay r, atoll.outbox o WHERE (o.fence, o.position) > (r.fence, r.position)"
PARKED = "SELECT count(*) FROM atoll.parked"
OPEN = "SELECT count(*) FROM atoll.sagas WHERE ended_at IS NULL"
OVERDUE = "SELECT count(*) FROM atoll.sagas WHERE status = 'active' AND due < clock_timestamp() - interval '5 seconds'"
DEAD = "SELECT count(*) FROM atoll.dead_letters"


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
        self._log: IO[bytes] = (folder / "services.log").open("ab")
        self._folder = folder

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

    async def ready(self) -> None:
        """Returns when all answer."""
        for name in self._processes:
            await until(lambda name=name: self._is_ready(name), f"{name} is ready", within=READY)  # type: ignore[misc]

    async def place(self, number: int, amount: int) -> None:
        """A client that insists until its order is accepted."""
        order_id = f"order-{number}"
        while not await self.post("orders", "/orders", {"order_id": order_id, "amount": amount}, order_id):
            await asyncio.sleep(0.05)
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
        """Heals and redrives what is dead; returns when nothing moves any more. AssertionError says what still does."""
        for order_id in self.accepted:
            self.bank.heal(order_id)
        last = ""

        async def at_rest() -> bool:
            nonlocal last
            if await self.count("payments", DEAD):
                await self.post("payments", "/redrive")
            last = await self._unrest()
            return not last

        await until(at_rest, lambda: last, within=SETTLE)

    async def count(self, name: str, statement: str) -> int:
        """One number from a service's database."""
        connection = await asyncpg.connect(self.urls[name])
        try:
            return int(await connection.fetchval(statement))
        finally:
            await connection.close()

    async def rows(self, name: str, statement: str) -> list[asyncpg.Record]:
        """Rows from a service's database."""
        connection = await asyncpg.connect(self.urls[name])
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    async def _unrest(self) -> str:
        found = {
            "outbox of orders": await self.count("orders", PENDING),
            "outbox of payments": await self.count("payments", PENDING),
            "parked": await self.count("orders", PARKED) + await self.count("payments", PARKED),
            "dead": await self.count("orders", DEAD) + await self.count("payments", DEAD),
            "sagas to come": len(self.accepted) - await self.count("orders", "SELECT count(*) FROM atoll.sagas"),
            "sagas open": await self.count("orders", OPEN),
            "sagas overdue by 5 s": await self.count("orders", OVERDUE),
        }
        return ", ".join(f"{what}: {number}" for what, number in found.items() if number)

    async def _is_ready(self, name: str) -> bool:
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


async def until(what: Callable[[], Awaitable[bool]], name: str | Callable[[], str], *, within: float) -> None:
    """Returns when ``what`` holds; the database may be away meanwhile."""
    stop = time.monotonic() + within
    while True:
        try:
            if await what():
                return
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pass
        assert time.monotonic() < stop, f"not within {within:g} s: {name if isinstance(name, str) else name()}"
        await asyncio.sleep(0.05)
