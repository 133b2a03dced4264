"""What became of the orders, by the services' own databases: who was answered 201 is to be confirmed and charged once, soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import asyncpg

PATIENCE = 45.0  # seconds for the last confirmations
PAID = """SELECT substr(placed.stream, 7) AS id, count(paid.*) AS times,
                 coalesce(extract(epoch FROM min(paid.recorded_at) - placed.recorded_at), -1)::float8 AS took
          FROM atoll.events AS placed
          LEFT JOIN atoll.events AS paid ON paid.stream = placed.stream AND paid.subject = 'order.paid'
          WHERE placed.subject = 'order.placed' GROUP BY placed.stream, placed.recorded_at"""
CAPTURED = "SELECT count(*), count(DISTINCT key) FROM acquirer_ledger WHERE amount > 0"


class Count(NamedTuple):
    """lost: answered 201, not confirmed. double: confirmed or captured more than once. slowest: seconds from placed to paid."""

    accepted: int
    lost: int
    double: int
    slowest: float


def count(urls: Mapping[str, str], accepted: Collection[str], patience: float = PATIENCE) -> Count:
    """Waits for confirmations that are on their way."""
    return asyncio.run(_count(urls, set(accepted), patience))


async def _count(urls: Mapping[str, str], accepted: set[str], patience: float) -> Count:
    orders, payments = await asyncpg.connect(urls["orders"]), await asyncpg.connect(urls["payments"])
    try:
        until = time.monotonic() + patience
        while True:
            found: dict[str, Any] = {row["id"]: row for row in await orders.fetch(PAID)}
            lost = [one for one in accepted if one not in found or not found[one]["times"]]
            if not lost or time.monotonic() > until:
                break
            await asyncio.sleep(0.2)
        ((captured, different),) = await payments.fetch(CAPTURED)
    finally:
        await orders.close()
        await payments.close()
    twice = sum(row["times"] > 1 for row in found.values()) + captured - different
    slowest = max((found[one]["took"] for one in accepted if one in found), default=0.0)
    return Count(len(accepted), len(lost), twice, slowest)
