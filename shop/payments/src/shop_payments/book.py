"""Payments in the payment service's own database, within the unit of work of one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atoll.contracts import Event, NotFound
from atoll.data import Row, Work
from shop_contracts import OrderId, PaymentId
from shop_payments.payment import Payment

_COLUMNS = "id, order_id, amount, currency, created_at, state, refunded, reason"
_CLAIM = f"INSERT INTO payments ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (order_id) DO NOTHING"  # noqa: S608
_CLAIM_ALL = f"""
INSERT INTO payments ({_COLUMNS})
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::bigint[], $8::text[])
ON CONFLICT (order_id) DO NOTHING RETURNING order_id
"""  # noqa: S608
_OF_ORDER = f"SELECT {_COLUMNS} FROM payments WHERE order_id = $1 FOR UPDATE"  # noqa: S608 - constant names
_LOCK = f"SELECT {_COLUMNS} FROM payments WHERE id = $1 FOR UPDATE"  # noqa: S608
_READ = f"SELECT {_COLUMNS} FROM payments WHERE id = $1"  # noqa: S608
_SAVE = """
UPDATE payments SET amount = $2, currency = $3, state = $4, refunded = $5, reason = $6, changed_at = now() WHERE id = $1
"""
# The LIMIT, which leaves nothing out, has PostgreSQL reckon with few rows and look each payment up by its key. A plan made
# while there were few payments would otherwise read all of them for each list, and stay until autovacuum has looked at the table.
_SAVE_ALL = """
UPDATE payments p SET amount = new.amount, currency = new.currency, state = new.state, refunded = new.refunded,
  reason = new.reason, changed_at = now()
FROM (
  SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[]) LIMIT cardinality($1)
) AS new (id, amount, currency, state, refunded, reason)
WHERE p.id = new.id
"""
_REFUND_OF = "SELECT amount FROM refunds WHERE payment_id = $1 AND name = $2"
_ADD_REFUND = "INSERT INTO refunds (payment_id, name, amount) VALUES ($1, $2, $3)"


class WorkBook:
    """The `PaymentBook` of a unit of work."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def claim(self, wanted: Payment) -> Payment:
        """See `PaymentBook`. An insert that meets another one's row waits until that unit of work ends."""
        status = await self._work.execute(_CLAIM, *_values(wanted))
        return wanted if status.endswith(" 1") else await self._of_order(wanted.order_id)

    async def claim_all(self, wanted: Sequence[Payment]) -> list[Payment]:
        """See `PaymentBook`. In the order of their orders, so that two lots that meet do not wait for each other."""
        rows = sorted(map(_values, wanted), key=lambda row: str(row[1]))
        new = (
            {row["order_id"] for row in await self._work.fetch(_CLAIM_ALL, *zip(*rows, strict=True))} if rows else set()
        )
        return [one if one.order_id in new else await self._of_order(one.order_id) for one in wanted]

    async def lock(self, payment_id: PaymentId) -> Payment:
        """See `PaymentBook`."""
        return _found(await self._work.fetchrow(_LOCK, payment_id), payment_id)

    async def read(self, payment_id: PaymentId) -> Payment:
        """The payment as it is now. NotFound."""
        return _found(await self._work.fetchrow(_READ, payment_id), payment_id)

    async def refund_of(self, payment: Payment, name: str) -> int | None:
        """See `PaymentBook`."""
        amount: int | None = await self._work.fetchval(_REFUND_OF, payment.id, name)
        return amount

    async def add_refund(self, payment: Payment, name: str, amount: int) -> None:
        """See `PaymentBook`."""
        await self._work.execute(_ADD_REFUND, payment.id, name, amount)

    async def save(self, payment: Payment) -> None:
        """See `PaymentBook`."""
        await self._work.execute(
            _SAVE, payment.id, payment.amount, payment.currency, payment.state, payment.refunded, payment.reason
        )

    async def save_all(self, payments: Sequence[Payment]) -> None:
        """See `PaymentBook`."""
        if payments:
            rows = [(one.id, one.amount, one.currency, one.state, one.refunded, one.reason) for one in payments]
            await self._work.execute(_SAVE_ALL, *zip(*rows, strict=True))

    async def publish(self, event: Event) -> None:
        """See `PaymentBook`."""
        await self._work.publish(event)

    async def _of_order(self, order_id: OrderId) -> Payment:
        row = await self._work.fetchrow(_OF_ORDER, order_id)
        if row is None:
            raise LookupError(f"the payment of order {order_id} vanished while it was claimed")
        return _payment(row)


def _found(row: Row | None, payment_id: PaymentId) -> Payment:
    if row is None:
        raise NotFound(f"there is no payment {payment_id}")
    return _payment(row)


def _values(payment: Payment) -> tuple[Any, ...]:
    """In the order of `_COLUMNS`."""
    return (
        payment.id, payment.order_id, payment.amount, payment.currency, payment.created_at, payment.state,
        payment.refunded, payment.reason,
    )  # fmt: skip


def _payment(row: Row) -> Payment:
    return Payment(**{name: row[name] for name in _NAMES})


_NAMES = tuple(_COLUMNS.split(", "))
