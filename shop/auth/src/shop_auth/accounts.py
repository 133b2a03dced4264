"""Accounts: who there is, and the port that keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from shop_auth.scopes import scopes_of
from shop_contracts import UserId


@dataclass(frozen=True, slots=True)
class Account:
    """email: normalised. password_hash: PHC format."""

    user_id: UserId
    email: str
    password_hash: str = field(repr=False)
    roles: frozenset[str]

    @property
    def scopes(self) -> frozenset[str]:
        """All that its roles may do."""
        return scopes_of(self.roles)


class Accounts(Protocol):
    """Keeps accounts. Emails are unique."""

    async def add(self, account: Account) -> bool:
        """False if the email is taken; nothing is changed then."""

    async def by_email(self, email: str) -> Account | None:
        """The account with this normalised email."""

    async def by_id(self, user_id: UserId) -> Account | None:
        """The account; None also for an id that is no account's, such as a machine's."""

    async def set_roles(self, user_id: UserId, roles: frozenset[str]) -> Account | None:
        """The changed account; None if there is none."""

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        """Replaces the hash."""


class Passwords(Protocol):
    """Makes and checks password hashes, slowly on purpose."""

    async def hash(self, password: str) -> str:
        """A new hash in PHC format."""

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether that is the password; for None False after the same work."""

    def outdated(self, stored: str) -> bool:
        """Whether the hash should be made anew."""
