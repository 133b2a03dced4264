"""Kafka on this machine: its configuration and its start."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from atoll.platform.local.accounts import Account, Accounts, Rights
from atoll.platform.local.fetched import environment, install, script
from atoll.platform.local.folder import Folder, write_private
from atoll.platform.local.kafka_probe import serves, speaks
from atoll.platform.local.keeper import Care, Keeper
from atoll.platform.local.parts import PartView, view
from atoll.platform.local.ports import LOOPBACK
from atoll.platform.local.process import Launch

KIND = "kafka"
_GRACE = 20.0  # seconds
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
answers = speaks


class OwnKafka:
    """A KRaft node of ours; its topics are in the system's data folder. ports: of clients, and of its controller.

    Everyone shows a user and a password (SASL PLAIN, over the loopback alone).
    """

    kind = KIND
    limits = False  # its access control knows topics, and a system's events are one topic

    def __init__(self, folder: Folder, ports: tuple[int, int], accounts: Accounts, durable: bool) -> None:
        self.port = ports[0]
        self.keeper: Keeper | None = None
        self._folder = folder
        self._data = folder.data_of(KIND)
        self._ports = ports
        self._accounts = accounts
        self._durable = durable

    @property
    def url(self) -> str:
        return f"kafka://{LOOPBACK}:{self.port}"

    @property
    def admin_url(self) -> str:
        return self._url(self._accounts.admin)

    def url_for(self, service: str) -> str:
        return self._url(self._accounts.services[service])

    def _url(self, account: Account) -> str:
        return f"kafka://{account.user}:{account.password}@{LOOPBACK}:{self.port}?sasl=PLAIN"

    def view(self) -> PartView:
        return view(KIND, self.keeper, self.url)

    async def grant(self, rights: Mapping[str, Rights]) -> None:
        """Every service may publish and read every event."""

    async def start(self, watch: Callable[[Keeper], None]) -> None:
        await install(KIND, self._folder)
        self._data.mkdir(mode=0o700, exist_ok=True)
        lines = [f"{name}={value}\n" for name, value in self._properties().items()]
        write_private(self._data / "own.properties", "".join(lines).encode())
        argv = script(KIND, "run", str(self._data), *map(str, self._ports))
        launch = Launch(
            KIND, argv, environment(self._folder), self._folder.path, self._folder.log(KIND), grace=_GRACE
        )  # fmt: skip
        self.keeper = Keeper(Care(launch, self._ready, watch, attempts=3))
        await self.keeper.start()

    def _properties(self) -> dict[str, str]:
        """On top of the script's: who may connect, and when a message is written to the disk."""
        clients, controller = self._ports
        properties = {
            "listeners": f"SASL_PLAINTEXT://{LOOPBACK}:{clients},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"SASL_PLAINTEXT://{LOOPBACK}:{clients}",
            "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
            "inter.broker.listener.name": "SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": self._login(self._accounts.all()),
            "listener.name.controller.plain.sasl.jaas.config": self._login((self._accounts.admin,)),
        }
        if self._durable:
            properties["log.flush.interval.messages"] = "1"  # else the system writes when it likes
        return properties

    def _login(self, accounts: tuple[Account, ...]) -> str:
        """Who the broker is to itself, and who may come in."""
        admin = self._accounts.admin
        users = "".join(f' user_{account.user}="{account.password}"' for account in accounts)
        return f'{_LOGIN} username="{admin.user}" password="{admin.password}"{users};'

    async def _ready(self) -> bool:
        admin = self._accounts.admin
        return await serves(LOOPBACK, self.port, admin.user, admin.password)
