"""Who may use the broker: an account for each service that has events, and the platform's own."""

from __future__ import annotations

from dataclasses import dataclass

from atoll.platform.local.folder import Folder
from atoll.system import System

ADMIN = "_admin"  # a name that no service can have


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the broker; its password derives from the folder's secret."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """system: whose subjects, streams or topics it is about. services: by their names."""

    system: str
    admin: Account
    services: dict[str, Account]

    def all(self) -> tuple[Account, ...]:
        return (self.admin, *self.services.values())


def make_accounts(system: System, folder: Folder) -> Accounts:
    """The same on each start."""
    names = [service.name for service in system.services if service.events]
    return Accounts(system.name, _account(ADMIN, folder), {name: _account(name, folder) for name in names})


def _account(user: str, folder: Folder) -> Account:
    return Account(user, folder.secret(f"broker:{user}"))
