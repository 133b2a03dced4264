"""What every part of a system (PostgreSQL, the broker, Envoy) is to the supervisor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from atoll.platform.local.accounts import Rights
from atoll.platform.local.keeper import Keeper


@dataclass(frozen=True, slots=True)
class PartView:
    """A part as ``atoll ps`` shows it. pid None: not running, or a given server. url holds no password."""

    kind: str
    pid: int | None
    url: str
    phase: str


class LocalPart(Protocol):
    """A part that runs here, or a given one that is only used."""

    @property
    def kind(self) -> str: ...

    @property
    def keeper(self) -> Keeper | None: ...

    def view(self) -> PartView: ...


class BrokerPart(LocalPart, Protocol):
    """The broker, whichever it is."""

    @property
    def url(self) -> str:
        """Without a password."""
        ...

    @property
    def admin_url(self) -> str:
        """With the password of the account that may do everything; not for logs or argv."""
        ...

    def url_for(self, service: str) -> str:
        """What the service is told, with its own password; not for logs or argv."""
        ...

    @property
    def limits(self) -> bool:
        """Whether it can be told which events an account may publish."""
        ...

    async def grant(self, rights: Mapping[str, Rights]) -> None:
        """From now on these services have these rights; others keep theirs."""

    async def start(self, watch: Callable[[Keeper], None]) -> None:
        """Returns when it is ready."""


def view(kind: str, keeper: Keeper | None, url: str) -> PartView:
    """The view of a part of ours, or (without a keeper) of a given one."""
    if keeper is None:
        return PartView(kind, None, url, "given")
    return PartView(kind, keeper.pid, url, keeper.phase)
