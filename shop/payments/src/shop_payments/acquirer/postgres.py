"""The acquirer's books in PostgreSQL: tables and connections of its own, and each change a transaction of its own.

They lie in the payment service's database only because a simulated company has no other; the service never joins its unit of
work, and would wait for itself if the two shared connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atoll.contracts import Error
from atoll.data import Database, Work
from shop_payments.acquirer.account import Account
from shop_payments.acquirer.vault import Change

# The update that changes nothing takes the rows' locks, and `xmax` tells a row that was there from one that is new.
_LOCK = """
INSERT INTO acquirer_accounts AS account (key) SELECT * FROM unnest($1::text[])
ON CONFLICT (key) DO UPDATE SET attempts = account.attempts
RETURNING key, state, amount, currency, reason, attempts, xmax <> 0 AS known
"""
_ENTRIES = "SELECT key, entry, amount FROM acquirer_ledger WHERE key = ANY($1)"
# Its LIMIT is there for PostgreSQL, as in the service's own statement.
_SAVE = """
UPDATE acquirer_accounts a SET state = new.state, amount = new.amount, currency = new.currency, reason = new.reason,
  attempts = new.attempts
FROM (
  SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::int[]) LIMIT cardinality($1)
) AS new (key, state, amount, currency, reason, attempts)
WHERE a.key = new.key
"""
_BOOK = """
INSERT INTO acquirer_ledger (key, entry, amount, currency)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
"""
_MOST = 64  # changes that commit together


@dataclass(slots=True)
class _Asked:
    key: str
    change: Change
    answer: asyncio.Future[Account]


class PostgresVault:
    """See `Vault`. Changes that come at the same time commit together; each still succeeds or fails by itself."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Asked] = []
        self._task: asyncio.Task[None] | None = None

    async def change(self, key: str, change: Change) -> Account:
        """See `Vault`."""
        asked = _Asked(key, change, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="acquirer")
        return await asked.answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                lot, self._waiting = _different(self._waiting)
                try:
                    await self._change_all(lot)
                except BaseException as error:
                    _fail(lot, error)
                    if not isinstance(error, Exception):
                        raise
        finally:
            self._task = None

    async def _change_all(self, lot: Sequence[_Asked]) -> None:
        done: list[tuple[_Asked, Account]] = []
        async with self._database.work() as work:
            before = await _locked(work, [asked.key for asked in lot])
            for asked in lot:
                try:
                    done.append((asked, asked.change(before[asked.key])))
                except Error as refusal:
                    _fail([asked], refusal)
            await _save(work, before, [account for _, account in done])
        for asked, account in done:
            if not asked.answer.done():
                asked.answer.set_result(account)


def _different(waiting: Sequence[_Asked]) -> tuple[list[_Asked], list[_Asked]]:
    """Those that go together, one a key, in the order of their keys; and those that wait for the next lot."""
    lot: dict[str, _Asked] = {}
    rest = []
    for asked in waiting:
        if asked.key in lot or len(lot) == _MOST:
            rest.append(asked)
        elif not asked.answer.done():
            lot[asked.key] = asked
    return [lot[key] for key in sorted(lot)], rest


def _fail(lot: Sequence[_Asked], error: BaseException) -> None:
    for asked in lot:
        if not asked.answer.done():
            if isinstance(error, asyncio.CancelledError):
                asked.answer.cancel()
            else:
                asked.answer.set_exception(error)


async def _locked(work: Work, keys: Sequence[str]) -> dict[str, Account]:
    rows = await work.fetch(_LOCK, keys)
    known = [row["key"] for row in rows if row["known"]]
    entries: dict[str, dict[str, int]] = {key: {} for key in keys}
    for row in await work.fetch(_ENTRIES, known) if known else ():
        entries[row["key"]][row["entry"]] = row["amount"]
    return {
        row["key"]: Account(
            row["key"],
            row["state"],
            row["amount"],
            row["currency"],
            row["reason"],
            row["attempts"],
            entries[row["key"]],
        )
        for row in rows
    }


async def _save(work: Work, before: Mapping[str, Account], accounts: Sequence[Account]) -> None:
    if not accounts:
        return
    rows = [(one.key, one.state, one.amount, one.currency, one.reason, one.attempts) for one in accounts]
    await work.execute(_SAVE, *zip(*rows, strict=True))
    booked = [
        (one.key, entry, amount, one.currency)
        for one in accounts
        for entry, amount in one.entries.items()
        if entry not in before[one.key].entries
    ]
    if booked:
        await work.execute(_BOOK, *zip(*booked, strict=True))
