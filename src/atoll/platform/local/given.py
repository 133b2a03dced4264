"""A broker whose address the model gives: it is looked at, and used as it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from atoll.platform.local import kafka, nats, rabbitmq
from atoll.platform.local.accounts import Rights
from atoll.platform.local.keeper import Keeper
from atoll.platform.local.parts import PartView, view
from atoll.platform.local.probes import accepts
from atoll.system import Part, Trouble
from atoll.system.servers import kind_of, location

_LOOKS: dict[str, Callable[[str, int], Awaitable[bool]]] = {
    "nats": nats.answers,
    "amqp": rabbitmq.answers,
    "kafka": kafka.answers,
}  # by the address's scheme; over TLS it is only seen whether the port is open


class GivenBroker:
    """All services are told the address as it stands."""

    keeper: Keeper | None = None
    limits = False  # its operator says who may do what

    def __init__(self, part: Part) -> None:
        self.kind = kind_of(part).name
        self.admin_url = part.address
        self._name = type(part).__name__.replace("Nats", "NATS")
        self._place = part.place
        self._scheme = part.address.partition("://")[0]
        self.host, self.port = location(part)

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self.host}:{self.port}"

    def url_for(self, _: str) -> str:
        return self.admin_url

    def view(self) -> PartView:
        return view(self.kind, None, self.url)

    async def grant(self, rights: Mapping[str, Rights]) -> None:
        """Nothing is changed at a server that is not ours."""

    async def start(self, _: Callable[[Keeper], None]) -> None:
        """Only look whether it is there."""
        await self.look()

    async def look(self) -> None:
        """Trouble if it is not reachable."""
        if not await _LOOKS.get(self._scheme, accepts)(self.host, self.port):
            raise Trouble(
                f"{self._place}: the given {self._name} at {self.host}:{self.port} is not reachable; "
                "start it, correct the address, or use --isolated"
            )
