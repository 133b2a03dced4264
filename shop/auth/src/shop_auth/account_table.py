"""Accounts in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

from atoll.data import Database, Row
from shop_auth.accounts import Account
from shop_contracts import UserId


class AccountTable:
    """Keeps accounts in the table ``accounts``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, account: Account) -> bool:
        """False if the email is taken."""
        async with self._database.work() as work:
            added = await work.fetchval(
                "INSERT INTO accounts (user_id, email, password_hash, roles) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (email) DO NOTHING RETURNING true",
                UUID(account.user_id),
                account.email,
                account.password_hash,
                sorted(account.roles),
            )
        return bool(added)

    async def by_email(self, email: str) -> Account | None:
        """The account with this normalised email."""
        async with self._database.work() as work:
            row = await work.fetchrow("SELECT * FROM accounts WHERE email = $1", email)
        return _account(row)

    async def by_id(self, user_id: UserId) -> Account | None:
        """The account; None also for an id that is no account's."""
        if (found := _uuid(user_id)) is None:
            return None
        async with self._database.work() as work:
            row = await work.fetchrow("SELECT * FROM accounts WHERE user_id = $1", found)
        return _account(row)

    async def set_roles(self, user_id: UserId, roles: frozenset[str]) -> Account | None:
        """The changed account; None if there is none."""
        if (found := _uuid(user_id)) is None:
            return None
        async with self._database.work() as work:
            row = await work.fetchrow(
                "UPDATE accounts SET roles = $2 WHERE user_id = $1 RETURNING *", found, sorted(roles)
            )
        return _account(row)

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        """Replaces the hash."""
        async with self._database.work() as work:
            await work.execute(
                "UPDATE accounts SET password_hash = $2 WHERE user_id = $1", UUID(user_id), password_hash
            )


def _account(row: Row | None) -> Account | None:
    if row is None:
        return None
    return Account(UserId(str(row["user_id"])), row["email"], row["password_hash"], frozenset(row["roles"]))


def _uuid(user_id: UserId) -> UUID | None:
    try:
        return UUID(user_id)
    except ValueError:
        return None
