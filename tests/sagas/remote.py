"""Another service, as a saga sees it: it remembers idempotency keys, fails on demand, and keeps a ledger of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg

from atoll.contracts import Api, Conflict, Message, Operation
from atoll.contracts.codec import encode
from atoll.service import current_request
from atoll.transport.http.client.passing import idempotency_key

TABLES = """
CREATE TABLE remote (key text PRIMARY KEY, seq bigserial, what text);
CREATE TABLE attempts (seq bigserial, key text, what text);
"""


class Pay(Message):
    order: str
    amount: int


class Paid(Message):
    order: str
    amount: int


class Declined(Conflict, code="declined"):
    """No."""


class Payments(Api):
    refund = Operation("POST /refund", Pay, Paid, keyed=True, deadline=0.5, errors=(Declined,))
    charge = Operation("POST /charge", Pay, Paid, keyed=True, deadline=0.5)
    notify = Operation("POST /notify", Pay, None)
    ping = Operation("GET /ping", None, Paid)


class Remote:
    """A `Channel`. before, after: called around the effect of each attempt; what they raise is the answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.before: Callable[[str], Awaitable[None]] | None = None
        self.after: Callable[[str], Awaitable[None]] | None = None

    async def call(self, operation: Operation[Any, Any], message: Any) -> Any:
        key = idempotency_key(operation, current_request.get(), operation.path, encode(message))
        what = f"{operation.name} {message.order} {message.amount}"
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute("INSERT INTO attempts (key, what) VALUES ($1, $2)", key, what)
            if self.before is not None:
                await self.before(operation.name)
            await connection.execute("INSERT INTO remote (key, what) VALUES ($1, $2) ON CONFLICT DO NOTHING", key, what)
        finally:
            await connection.close()
        if self.after is not None:
            await self.after(operation.name)
        return Paid(message.order, message.amount)

    def stream(self, operation: Operation[Any, Any], message: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


async def effects(url: str) -> list[str]:
    """What took effect at the other service, in order."""
    return await _column(url, "SELECT what FROM remote ORDER BY seq")


async def attempts(url: str) -> list[str]:
    """Every call that came there."""
    return await _column(url, "SELECT what FROM attempts ORDER BY seq")


async def _column(url: str, statement: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(statement)]
    finally:
        await connection.close()
