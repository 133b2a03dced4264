"""NATS with JetStream on this machine: its configuration and its start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from urllib.parse import urlsplit

from atoll.platform.local.binaries import find_nats
from atoll.platform.local.folder import Folder, write_private
from atoll.platform.local.keeper import Care, Keeper
from atoll.platform.local.parts import PartView, view
from atoll.platform.local.ports import LOOPBACK
from atoll.platform.local.probes import greets
from atoll.platform.local.process import MARK, Launch
from atoll.system import Trouble

KIND = "nats"
MAX_PAYLOAD = 1_048_576  # bytes of one message


class OwnNats:
    """A server of ours; its streams are in the system's data folder."""

    kind = KIND

    def __init__(self, folder: Folder, port: int, system: str, durable: bool) -> None:
        self.port = port
        self.keeper: Keeper | None = None
        self._folder = folder
        self._system = system
        self._durable = durable
        self._password = folder.secret("nats")

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def broker_url(self) -> str:
        """With the password; not for logs or argv."""
        return f"nats://{self._system}:{self._password}@{LOOPBACK}:{self.port}"

    def view(self) -> PartView:
        return view(KIND, self.keeper, self.url)

    async def start(self, watch: Callable[[Keeper], None]) -> None:
        program = (await asyncio.to_thread(find_nats)).path
        self._folder.nats.mkdir(mode=0o700, exist_ok=True)
        file = self._folder.path / "nats.conf"
        write_private(file, self._configuration().encode())
        environment = {MARK: str(self._folder.path), "GOMEMLIMIT": "200MiB"}
        launch = Launch(KIND, (str(program), "-c", str(file)), environment, self._folder.path, self._folder.log(KIND))
        self.keeper = Keeper(Care(launch, self._ready, watch, attempts=3))
        await self.keeper.start()

    def _configuration(self) -> str:
        # nats-server reads JSON. "always": a message is on the disk before it is acknowledged (the default is 2 minutes).
        jetstream: dict[str, object] = {"store_dir": str(self._folder.nats)}
        if self._durable:
            jetstream["sync_interval"] = "always"
        return json.dumps(
            {
                "listen": f"{LOOPBACK}:{self.port}",
                "server_name": self._system,
                "max_payload": MAX_PAYLOAD,
                "logtime_utc": True,
                "jetstream": jetstream,
                "authorization": {"users": [{"user": self._system, "password": self._password}]},
            },
            indent=2,
        )

    async def _ready(self) -> bool:
        return await greets(LOOPBACK, self.port, b"INFO ")


class GivenNats:
    """A server whose address the model gives."""

    kind = KIND
    keeper: Keeper | None = None

    def __init__(self, address: str, place: str) -> None:
        self.broker_url = address
        self._place = place
        parts = urlsplit(address)
        self.host, self.port = parts.hostname or LOOPBACK, parts.port or 4222

    @property
    def url(self) -> str:
        return f"nats://{self.host}:{self.port}"

    def view(self) -> PartView:
        return view(KIND, None, self.url)

    async def start(self, _: Callable[[Keeper], None]) -> None:
        """Only look whether it is there."""
        await self.look()

    async def look(self) -> None:
        """Trouble if it is not reachable."""
        if not await greets(self.host, self.port, b"INFO "):
            raise Trouble(
                f"{self._place}: the given NATS at {self.host}:{self.port} is not reachable; "
                "start it, correct the address, or use --isolated"
            )
