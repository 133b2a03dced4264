"""What every peer stands on: PostgreSQL and NATS as durable as Atoll's own, a customer's token, and processes that end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from atoll.testing import NatsServer, PostgresServer
from atoll.testing.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
START_WITHIN = 60.0  # seconds
LOOK_EVERY = 0.05  # seconds between two looks whether something is ready
# As atoll.platform.local.postgres starts it; PostgresServer alone is for tests and forgets.
DURABLE = {
    "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "jit": "off", "io_method": "sync",
    "max_logical_replication_workers": "0",
}  # fmt: skip


class DurableNats(NatsServer):
    """A message is on the disk before it is acknowledged, as in Atoll's model."""

    def argv(self) -> list[str]:
        file = self.folder / "nats.conf"
        jetstream = {"store_dir": str(self.folder / "nats"), "sync_interval": "always"}
        file.write_text(json.dumps({"listen": f"127.0.0.1:{self.port}", "jetstream": jetstream}))
        return [super().argv()[0], "-c", str(file)]


@dataclass
class Bare:
    """A customer, and what was started. jwks: the issuer's public keys. processes: name -> pid, of all that is measured."""

    folder: Path
    token: str
    jwks: dict[str, Any]
    public_pem: str
    processes: dict[str, int] = field(default_factory=dict)
    _started: ExitStack = field(default_factory=ExitStack)

    def spawn(
        self, name: str, argv: Sequence[str | Path], environment: Mapping[str, str], ready: str, cwd: Path = ROOT
    ) -> None:
        """Starts a process and returns when GET ``ready`` is answered by anything below 500; at once if it is ""."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [str(part) for part in argv],
                env={**os.environ, **environment},
                cwd=cwd,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        self.processes[name] = process.pid
        self._started.callback(ended, process)
        until = time.monotonic() + START_WITHIN
        while ready and not answers(ready):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{name} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(LOOK_EVERY)

    def until(self, ready: str) -> None:
        """Returns when a GET with the customer's token is answered 200."""
        until = time.monotonic() + START_WITHIN
        while not answers(ready, below=201, token=self.token):
            if time.monotonic() > until:
                raise RuntimeError(f"http://{ready} was not answered 200 within {START_WITHIN:g} s")
            time.sleep(LOOK_EVERY)

    def end(self) -> None:
        """Ends what was spawned, the last first."""
        self._started.close()


@dataclass
class Ground(Bare):
    """With PostgreSQL and NATS."""

    postgres: PostgresServer = field(kw_only=True)
    nats: DurableNats = field(kw_only=True)


def ended(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def answers(address: str, below: int = 500, token: str = "") -> bool:
    """Whether a GET is answered by a status below that. address: host:port/path."""
    host, _, path = address.partition("/")
    with (
        suppress(OSError, http.client.HTTPException),
        closing(http.client.HTTPConnection(host, timeout=2)) as connection,
    ):
        connection.request("GET", f"/{path}", headers={"authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status < below
    return False


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """PostgreSQL and NATS of its own, and one customer."""
    options = [part for name, value in DURABLE.items() for part in ("-c", f"{name}={value}")]
    with PostgresServer(options=tuple(options)) as postgres, DurableNats() as nats:
        found = Ground(folder, *customer(), postgres=postgres, nats=nats)
        found.processes |= {"postgres": pid_of(postgres), "nats": pid_of(nats)}
        try:
            yield found
        finally:
            found.end()


@contextmanager
def bare_ground(folder: Path) -> Iterator[Bare]:
    """No servers yet."""
    found = Bare(folder, *customer())
    try:
        yield found
    finally:
        found.end()


def customer() -> tuple[str, dict[str, Any], str]:
    """A token, the keys to verify it with, and the same as PEM."""
    key = ECKey.generate_key("P-256", {"kid": "bench", "alg": "ES256", "use": "sig"})
    return token(key), {"keys": [key.as_dict(private=False)]}, key.as_pem(private=False).decode()


def pid_of(server: PostgresServer | NatsServer) -> int:
    process = server._running()
    return process.pid


def token(key: ECKey) -> str:
    """What the shop's own tokens say, for an hour."""
    now = int(time.time())
    claims = {
        "iss": "shop-auth", "aud": "shop", "sub": "customer-1", "iat": now, "exp": now + 3600, "jti": "bench",
        "scope": "orders:read orders:write", "roles": [], "roles_text": "",
    }  # fmt: skip
    return jwt.encode({"alg": "ES256", "kid": "bench"}, claims, key)


def spare_port() -> int:
    """A free one."""
    return free_port()
