"""RabbitMQ on this machine: its configuration and its start."""

from __future__ import annotations

import base64
import hashlib
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

KIND = "rabbitmq"
_GRACE = 20.0  # seconds
answers = speaks


class OwnRabbitMQ:
    """A node of ours; its streams are in the system's data folder.

    ports: of AMQP, of Erlang's distribution, and of its name server, which ends with the node.
    """

    kind = KIND
    limits = False

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
        self._accounts = self._accounts.granting(rights)

    async def start(self, watch: Callable[[Keeper], None]) -> None:
        await install(KIND, self._folder)
        self._data.mkdir(mode=0o700, exist_ok=True)
        definitions = self._data / "definitions.json"
        write_private(definitions, json.dumps(self._definitions(), indent=2).encode())
        write_private(self._data / "rabbitmq.conf", f"load_definitions = {definitions}\n".encode())
        argv = script(KIND, "run", str(self._data), *map(str, self._ports))
        launch = Launch(
            KIND, argv, environment(self._folder), self._folder.path, self._folder.log(KIND), grace=_GRACE
        )  # fmt: skip
        self.keeper = Keeper(Care(launch, self._ready, watch, attempts=3))
        await self.keeper.start()

    def _definitions(self) -> dict[str, object]:
        """What RabbitMQ takes over at each start (https://www.rabbitmq.com/docs/definitions); it makes no guest then."""
        accounts = self._accounts.all()
        return {
            "vhosts": [{"name": "/"}],
            "users": [_user(account) for account in accounts],
            "permissions": [self._permission(account) for account in accounts],
        }

    def _permission(self, account: Account) -> dict[str, str]:
        rights = dict.fromkeys(("configure", "write", "read"), ".*")
        return {"user": account.user, "vhost": "/", **rights}

    async def _ready(self) -> bool:
        admin = self._accounts.admin
        return await lets_in(LOOPBACK, self.port, admin.user, admin.password)


def _user(account: Account) -> dict[str, object]:
    # The salt may be the password's own: each is 32 random bytes and used nowhere else.
    salt = hashlib.sha256(account.password.encode()).digest()[:4]
    hashed = salt + hashlib.sha256(salt + account.password.encode()).digest()
    return {
        "name": account.user,
        "password_hash": base64.b64encode(hashed).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "",
    }
