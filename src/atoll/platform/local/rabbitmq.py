"""RabbitMQ on this machine: its configuration and its start."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from atoll.platform.local.accounts import Account, Accounts, Rights
from atoll.platform.local.amqp_probe import lets_in, speaks
from atoll.platform.local.fetched import environment, install, script
from atoll.platform.local.folder import Folder, write_private
from atoll.platform.local.keeper import Care, Keeper
from atoll.platform.local.parts import PartView, view
from atoll.platform.local.ports import LOOPBACK
from atoll.platform.local.process import Launch
from atoll.platform.local.rabbitmq_rights import definitions

KIND = "rabbitmq"
_GRACE = 20.0  # seconds
answers = speaks


class OwnRabbitMQ:
    """A node of ours; its streams are in the system's data folder.

    ports: of AMQP, of Erlang's distribution, and of its name server, which ends with the node.
    """

    kind = KIND
    limits = True

    def __init__(self, folder: Folder, ports: tuple[int, int, int], accounts: Accounts) -> None:
        self.port = ports[0]
        self.keeper: Keeper | None = None
        self._folder = folder
        self._data = folder.data_of(KIND)
        self._ports = ports
        self._accounts = accounts

    @property
    def url(self) -> str:
        return f"amqp://{LOOPBACK}:{self.port}"

    @property
    def admin_url(self) -> str:
        return self._url(self._accounts.admin)

    def url_for(self, service: str) -> str:
        return self._url(self._accounts.services[service])

    def _url(self, account: Account) -> str:
        return f"amqp://{account.user}:{account.password}@{LOOPBACK}:{self.port}/"

    def view(self) -> PartView:
        return view(KIND, self.keeper, self.url)

    async def grant(self, rights: Mapping[str, Rights]) -> None:
        """A running node is started again if anything has changed: it reads its definitions then."""
        before, self._accounts = self._accounts, self._accounts.granting(rights)
        if self.keeper is not None and self._accounts != before:
            self._write()
            await self.keeper.restart()

    async def start(self, watch: Callable[[Keeper], None]) -> None:
        await install(KIND, self._folder)
        self._data.mkdir(mode=0o700, exist_ok=True)
        self._write()
        argv = script(KIND, "run", str(self._data), *map(str, self._ports))
        launch = Launch(
            KIND, argv, environment(self._folder), self._folder.path, self._folder.log(KIND), grace=_GRACE
        )  # fmt: skip
        self.keeper = Keeper(Care(launch, self._ready, watch, attempts=3))
        await self.keeper.start()

    def _write(self) -> None:
        file = self._data / "definitions.json"
        write_private(file, json.dumps(definitions(self._accounts), indent=2).encode())
        write_private(self._data / "rabbitmq.conf", f"load_definitions = {file}\n".encode())

    async def _ready(self) -> bool:
        admin = self._accounts.admin
        return await lets_in(LOOPBACK, self.port, admin.user, admin.password)
