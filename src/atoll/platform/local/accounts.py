"""Who may use the broker, and for what: an account for each service that has events, and the platform's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from atoll.platform.local.folder import Folder
from atoll.system import System

ADMIN = "_admin"  # a name that no service can have


@dataclass(frozen=True, slots=True)
class Rights:
    """Subjects of events that an account may publish, and those that it reads."""

    publishes: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the broker; its password derives from the folder's secret. rights: None may do everything."""

    user: str
    password: str = field(repr=False)
    rights: Rights | None = Rights()


@dataclass(frozen=True, slots=True)
class Accounts:
    """system: whose subjects, streams or topics it is about. services: by their names."""

    system: str
    admin: Account
    services: Mapping[str, Account]

    def all(self) -> tuple[Account, ...]:
        return (self.admin, *self.services.values())

    def granting(self, rights: Mapping[str, Rights]) -> Accounts:
        """The same accounts; those named with these rights from now on."""
        changed = {
            name: replace(account, rights=rights.get(name, account.rights)) for name, account in self.services.items()
        }
        return replace(self, services=changed)


def make_accounts(system: System, folder: Folder) -> Accounts:
    """The same on each start; no service may publish or read anything yet."""
    names = [service.name for service in system.services if service.events]
    return Accounts(system.name, _account(ADMIN, folder, None), _services(names, folder))


def _services(names: Iterable[str], folder: Folder) -> dict[str, Account]:
    return {name: _account(name, folder, Rights()) for name in names}


def _account(user: str, folder: Folder, rights: Rights | None) -> Account:
    return Account(user, folder.secret(f"broker:{user}"), rights)
