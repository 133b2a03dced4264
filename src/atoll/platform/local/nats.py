"""NATS with JetStream on this machine: its configuration and its start."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Mapping

from atoll.platform.local.accounts import Account, Accounts, Rights
from atoll.platform.local.binaries import find_nats
from atoll.platform.local.folder import Folder, write_private
from atoll.platform.local.keeper import Care, Keeper
from atoll.platform.local.nats_rights import user
from atoll.platform.local.parts import PartView, view
from atoll.platform.local.ports import LOOPBACK
from atoll.platform.local.probes import greets
from atoll.platform.local.process import MARK, Launch

KIND = "nats"
MAX_PAYLOAD = 1_048_576  # bytes of one message


class OwnNats:
    """A server of ours; its streams are in the system's data folder."""

    kind = KIND
    limits = True

    def __init__(self, folder: Folder, port: int, accounts: Accounts, durable: bool) -> None:
        self.port = port
        self.keeper: Keeper | None = None
        self._folder = folder
        self._file = folder.path / "nats.conf"
        self._data = folder.data_of(KIND)
        self._accounts = accounts
        self._durable = durable

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def admin_url(self) -> str:
        return self._url(self._accounts.admin)

    def url_for(self, service: str) -> str:
        return self._url(self._accounts.services[service])

    def _url(self, account: Account) -> str:
        return f"nats://{account.user}:{account.password}@{LOOPBACK}:{self.port}"

    def view(self) -> PartView:
        return view(KIND, self.keeper, self.url)

    async def start(self, watch: Callable[[Keeper], None]) -> None:
        program = (await asyncio.to_thread(find_nats)).path
        self._data.mkdir(mode=0o700, exist_ok=True)
        self._write()
        environment = {MARK: str(self._folder.path), "GOMEMLIMIT": "200MiB"}
        launch = Launch(
            KIND, (str(program), "-c", str(self._file)), environment, self._folder.path, self._folder.log(KIND)
        )
        self.keeper = Keeper(Care(launch, self._ready, watch, attempts=3))
        await self.keeper.start()

    async def grant(self, rights: Mapping[str, Rights]) -> None:
        """A running server reads its configuration again; who has other rights now connects anew."""
        before, self._accounts = self._accounts, self._accounts.granting(rights)
        process = self.keeper.process if self.keeper is not None else None
        if process is not None and process.running and self._accounts != before:
            self._write()
            process.tell(signal.SIGHUP)

    def _write(self) -> None:
        write_private(self._file, self._configuration().encode())

    def _configuration(self) -> str:
        # nats-server reads JSON. "always": a message is on the disk before it is acknowledged (the default is 2 minutes).
        jetstream: dict[str, object] = {"store_dir": str(self._data)}
        if self._durable:
            jetstream["sync_interval"] = "always"
        return json.dumps(
            {
                "listen": f"{LOOPBACK}:{self.port}",
                "server_name": self._accounts.system,
                "max_payload": MAX_PAYLOAD,
                "logtime_utc": True,
                "jetstream": jetstream,
                "authorization": {"users": [user(account, self._accounts.system) for account in self._accounts.all()]},
            },
            indent=2,
        )

    async def _ready(self) -> bool:
        return await answers(LOOPBACK, self.port)


async def answers(host: str, port: int) -> bool:
    """Whether a NATS server is there."""
    return await greets(host, port, b"INFO ")
