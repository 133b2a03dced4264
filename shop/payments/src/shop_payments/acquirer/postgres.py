"""The acquirer's books in PostgreSQL: tables and connections of its own, and each change a transaction of its own.

They lie in the payment service's database only because a simulated company has no other; the service never joins its unit of
work, and would wait for itself if the two shared connections.
"""

from __future__ import annotations

from collections.abc import Mapping

from atoll.data import Database, Work
from shop_payments.acquirer.account import Account
from shop_payments.acquirer.vault import Change

# The update that changes nothing takes the row's lock, and `xmax` tells a row that was there from one that is new.
_LOCK = """
INSERT INTO acquirer_accounts AS account (key) VALUES ($1)
ON CONFLICT (key) DO UPDATE SET attempts = account.attempts
RETURNING state, amount, currency, reason, attempts, xmax <> 0 AS known
"""
_SAVE = "UPDATE acquirer_accounts SET state = $2, amount = $3, currency = $4, reason = $5, attempts = $6 WHERE key = $1"


class PostgresVault:
    """See `Vault`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def change(self, key: str, change: Change) -> Account:
        """See `Vault`."""
        async with self._database.work() as work:
            before = await _locked(work, key)
            after = change(before)
            await _save(work, before, after)
        return after


async def _locked(work: Work, key: str) -> Account:
    row = await work.fetchrow(_LOCK, key)
    if row is None:
        raise LookupError(f"the account {key} was neither found nor made")
    entries = await _entries(work, key) if row["known"] else {}
    return Account(key, row["state"], row["amount"], row["currency"], row["reason"], row["attempts"], entries)


async def _entries(work: Work, key: str) -> Mapping[str, int]:
    rows = await work.fetch("SELECT entry, amount FROM acquirer_ledger WHERE key = $1", key)
    return {row["entry"]: row["amount"] for row in rows}


async def _save(work: Work, before: Account, after: Account) -> None:
    await work.execute(_SAVE, after.key, after.state, after.amount, after.currency, after.reason, after.attempts)
    for entry, amount in after.entries.items():
        if entry not in before.entries:
            await work.execute(
                "INSERT INTO acquirer_ledger (key, entry, amount, currency) VALUES ($1, $2, $3, $4)",
                after.key, entry, amount, after.currency,
            )  # fmt: skip
