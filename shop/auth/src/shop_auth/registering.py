"""Making accounts, and finding the one that a password belongs to."""

from __future__ import annotations

import logging

from atoll.contracts import FieldError, Invalid, uuid7
from shop_auth.accounts import Account, Accounts, Passwords
from shop_auth.email import normalised
from shop_auth.throttle import Guard, account_key, address_key, registering_key
from shop_contracts import EmailTaken, InvalidGrant, UserId
from shop_contracts.scopes import ADMIN, USER

_log = logging.getLogger("shop_auth")
MAX_PASSWORD = 128


class Registrar:
    """New accounts, and logins to old ones."""

    def __init__(self, accounts: Accounts, passwords: Passwords, guard: Guard) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._guard = guard

    async def register(self, email: str, password: str, forwarded_for: str = "") -> UserId:
        """The new user's id. EmailTaken, after the same work; asking who is registered counts against the address."""
        name = normalised(email)
        if name is None:
            raise Invalid(
                "email: this is not an email address", fields=[FieldError("email", "is not an email address")]
            )
        async with self._guard.attempt(None, registering_key(forwarded_for)) as attempt:
            account = await self._new(name, password, frozenset({USER}))
            if not await self._accounts.add(account):
                await attempt.failed()
                raise EmailTaken("there is an account with this email address; log in instead")
        return account.user_id

    async def login(self, email: str, password: str, forwarded_for: str = "") -> Account:
        """The account; InvalidGrant if there is none or the password is another, which nobody can tell apart."""
        name = normalised(email)
        async with self._guard.attempt(account_key(name or email), address_key(forwarded_for)) as attempt:
            account = await self._accounts.by_email(name) if name else None
            stored = account.password_hash if account else None
            right = await self._passwords.matches(password[:MAX_PASSWORD], stored)
            if account is None or not right or len(password) > MAX_PASSWORD:
                await attempt.failed()
                raise InvalidGrant("the user name or the password is wrong")
            await attempt.succeeded()
        await self._renew_hash(account, password)
        return account

    async def ensure_admin(self, email: str, password: str) -> None:
        """Makes the first administrator. An account that is there already is left as it is."""
        name = normalised(email)
        if name is None:
            _log.error("AUTH_ADMIN_EMAIL is not an email address; there is no first administrator")
            return
        found = await self._accounts.by_email(name)
        if found is None:
            if await self._accounts.add(await self._new(name, password, frozenset({USER, ADMIN}))):
                _log.info("made the first administrator")
        elif ADMIN not in found.roles:
            _log.warning("the account of AUTH_ADMIN_EMAIL is there already and no administrator; it stays as it is")

    async def _new(self, email: str, password: str, roles: frozenset[str]) -> Account:
        return Account(UserId(str(uuid7())), email, await self._passwords.hash(password), roles)

    async def _renew_hash(self, account: Account, password: str) -> None:
        if self._passwords.outdated(account.password_hash):
            await self._accounts.set_password_hash(account.user_id, await self._passwords.hash(password))
