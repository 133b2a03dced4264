"""The read model of lists: one row an order, made of its events. An order itself is read from its own events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

import shop_contracts as contract
from atoll.data import Connection, Projection, Row, Stored, projects_batch
from shop_contracts import OrderId, OrderLine, OrderStatus, UserId
from shop_orders.events import OrderDeclined, OrderPaid, OrderPlaced, OrderWithdrawn

# The columns are named in one place; nothing but these constants ever becomes part of a statement's text.
_VIEW = "id, status, total, currency, lines, created_at, reason"
_ADD = """
INSERT INTO orders (id, customer, status, total, currency, lines, created_at)
SELECT id, customer, 'pending', total, currency, lines::jsonb, created_at
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
    AS new (id, customer, total, currency, lines, created_at)
ON CONFLICT (id) DO NOTHING
"""
# The LIMIT, which leaves nothing out, has PostgreSQL reckon with few rows and look each order up by its key. A plan made
# while there were few orders would otherwise read all of them for each batch, and stay until autovacuum has looked at the table.
_CHANGE = """
UPDATE orders SET status = new.status, reason = new.reason, changed_at = now()
FROM (SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) LIMIT cardinality($1)) AS new (id, status, reason)
WHERE orders.id = new.id
"""
_FIRST_PAGE = f"SELECT {_VIEW} FROM orders WHERE customer = $1 ORDER BY id DESC LIMIT $2"  # noqa: S608
_NEXT_PAGE = f"SELECT {_VIEW} FROM orders WHERE customer = $1 AND id < $3 ORDER BY id DESC LIMIT $2"  # noqa: S608
_UNPAID = """
SELECT id FROM orders WHERE status = 'pending' AND created_at < now() - $1 * interval '1 second'
ORDER BY created_at LIMIT $2
"""
_lines = msgspec.json.Decoder(tuple[OrderLine, ...])


@projects_batch(OrderPlaced, OrderPaid, OrderDeclined, OrderWithdrawn)
async def list_orders(batch: Sequence[Stored[Any]], model: Connection) -> None:
    """New orders first, then what became of them: an order is placed before anything else happens to it.

    One statement for all new orders and one for all changes, of which an order's last one counts.
    """
    placed: list[tuple[Any, ...]] = []
    changed: dict[OrderId, tuple[OrderId, OrderStatus, str]] = {}
    for stored in batch:
        if isinstance(event := stored.event, OrderPlaced):
            placed.append(_row(event))
        else:
            changed[event.order_id] = _change(event)
    if placed:
        await model.execute(_ADD, *zip(*placed, strict=True))
    if changed:
        await model.execute(_CHANGE, *zip(*changed.values(), strict=True))


class OrderList(Projection, name="order-list", handlers=[list_orders], tables=["orders"]):
    """What customers see of their orders in lists, and which orders nobody has paid."""

    async def page(self, customer: UserId, after: OrderId | None, limit: int) -> list[contract.Order]:
        """At most ``limit`` orders of the customer, newest first, from the one placed just before ``after``."""
        async with self.database.connection() as connection:
            if after is None:
                rows = await connection.fetch(_FIRST_PAGE, customer, limit)
            else:
                rows = await connection.fetch(_NEXT_PAGE, customer, limit, after)
        return [_view(row) for row in rows]

    async def unpaid(self, older_than: float, limit: int) -> list[OrderId]:
        """Orders that wait for their payment for more than so many seconds, the oldest first."""
        async with self.database.connection() as connection:
            return [row["id"] for row in await connection.fetch(_UNPAID, older_than, limit)]


def _row(event: OrderPlaced) -> tuple[Any, ...]:
    lines = msgspec.json.encode(event.lines).decode()
    return event.order_id, event.customer, event.total, event.currency, lines, event.placed_at


def _change(event: OrderPaid | OrderDeclined | OrderWithdrawn) -> tuple[OrderId, OrderStatus, str]:
    match event:
        case OrderPaid():
            return event.order_id, "confirmed", ""
        case OrderDeclined():
            return event.order_id, "declined", event.reason
        case OrderWithdrawn():
            return event.order_id, "cancelled", event.reason


def _view(row: Row) -> contract.Order:
    lines = _lines.decode(row["lines"])
    return contract.Order(
        row["id"], row["status"], row["total"], row["currency"], lines, row["created_at"], row["reason"]
    )
