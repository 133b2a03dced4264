"""The port to the acquirer's books, and the ones that live in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shop_payments.acquirer.account import Account

Change = Callable[[Account], Account]


class Vault(Protocol):
    """Keeps accounts. Each change is a transaction of its own: it is committed when `change` returns."""

    async def change(self, key: str, change: Change) -> Account:
        """The account after the change; a new one if the key is new. One change of a key at a time; an error changes nothing."""


class MemoryVault:
    """Books for tests: a change happens without a pause, so that no other one comes in between."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}

    async def change(self, key: str, change: Change) -> Account:
        """See `Vault`."""
        account = change(self.accounts.get(key) or Account(key))
        self.accounts[key] = account
        return account

    @property
    def total(self) -> int:
        """Minor units that were taken and not given back, over all accounts: what an auditor compares."""
        return sum(account.left for account in self.accounts.values())
