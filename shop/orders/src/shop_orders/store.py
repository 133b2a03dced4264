"""Orders and prices in the order service's own database, within the unit of work that is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from atoll.data import Row, Work
from shop_contracts import OrderId, OrderLine, UserId
from shop_orders.order import Order

# The columns are named in one place; nothing but these constants ever becomes part of a statement's text.
_COLUMNS = "id, customer, status, total, currency, lines, created_at, reason"
_ADD = f"INSERT INTO orders ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8)"  # noqa: S608
_CHANGE = "UPDATE orders SET status = $2, reason = $3, changed_at = now() WHERE id = $1"
_READ = f"SELECT {_COLUMNS} FROM orders WHERE id = $1"  # noqa: S608
_LOCK = f"{_READ} FOR UPDATE"
_FIRST_PAGE = f"SELECT {_COLUMNS} FROM orders WHERE customer = $1 ORDER BY id DESC LIMIT $2"  # noqa: S608
_NEXT_PAGE = f"SELECT {_COLUMNS} FROM orders WHERE customer = $1 AND id < $3 ORDER BY id DESC LIMIT $2"  # noqa: S608
_PRICES = "SELECT sku, amount FROM prices WHERE currency = $1 AND sku = ANY($2)"
_lines = msgspec.json.Decoder(tuple[OrderLine, ...])


class Reads(Protocol):
    """What can be read with: a unit of work, or a connection on its own."""

    async def fetch(self, statement: str, *arguments: Any) -> list[Row]:
        """All rows."""


async def read_prices(source: Reads, skus: Sequence[str], currency: str) -> dict[str, int]:
    """Minor units by sku; a sku without a price is missing."""
    return {row["sku"]: row["amount"] for row in await source.fetch(_PRICES, currency, skus)}


async def add_order(work: Work, order: Order) -> None:
    """Stores a new order."""
    lines = msgspec.json.encode(order.lines).decode()
    await work.execute(
        _ADD, order.id, order.customer, order.status, order.total, order.currency, lines, order.created_at, order.reason
    )


async def change_order(work: Work, order: Order) -> None:
    """Stores what may change in an order's life; its row must be locked (see `lock_order`)."""
    await work.execute(_CHANGE, order.id, order.status, order.reason)


async def lock_order(work: Work, order_id: OrderId) -> Order | None:
    """The order, which nobody else can change until this unit of work ends; None if there is none."""
    row = await work.fetchrow(_LOCK, order_id)
    return None if row is None else _order(row)


async def read_order(work: Work, order_id: OrderId) -> Order | None:
    """The order; None if there is none."""
    row = await work.fetchrow(_READ, order_id)
    return None if row is None else _order(row)


async def read_page(work: Work, customer: UserId, after: OrderId | None, limit: int) -> list[Order]:
    """At most ``limit`` orders of the customer, newest first, from the one placed just before ``after``."""
    if after is None:
        rows = await work.fetch(_FIRST_PAGE, customer, limit)
    else:
        rows = await work.fetch(_NEXT_PAGE, customer, limit, after)
    return [_order(row) for row in rows]


def _order(row: Row) -> Order:
    return Order(
        row["id"], row["customer"], row["status"], row["total"], row["currency"], _lines.decode(row["lines"]),
        row["created_at"], row["reason"],
    )  # fmt: skip
