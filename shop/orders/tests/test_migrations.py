"""Orders from before there were events keep their life: the migration tells what the table holds."""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

import shop_orders
from atoll.data import Database, load, migrate
from atoll.service import Service
from atoll.testing import PostgresServer
from shop_contracts import OrderLine
from shop_orders import service
from shop_orders.order import Order
from shop_orders.order_list import OrderList

PLACED = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def old_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service as it was, with its first migration alone."""
    folder = tmp_path / "old_orders" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "old_orders" / "__init__.py").touch()
    shutil.copy(Path(shop_orders.__file__).parent / "migrations" / "0001_orders.py", folder)
    monkeypatch.syspath_prepend(tmp_path)
    return Service("orders", migrations="old_orders:migrations")


async def test_old_orders_are_read_and_listed_as_they_were(
    old_orders: Service, database_server: PostgresServer
) -> None:
    url = database_server.create_database()
    await migrate(url, old_orders)
    ids = {status: uuid.uuid4() for status in ("pending", "confirmed", "declined", "cancelled")}
    database = Database(url, service="orders")
    await database.start()
    try:
        async with database.connection() as connection:
            await connection.executemany(
                "INSERT INTO orders (id, customer, status, total, currency, lines, reason, created_at) "
                """VALUES ($1, 'ada', $2, 198, 'EUR', '[{"sku": "A1", "quantity": 2, "price": 99}]', $3, $4)""",
                [(order_id, status, f"so {status}", PLACED) for status, order_id in ids.items()],
            )
        await migrate(url, service)
        for status, order_id in ids.items():
            async with database.work() as work:
                order = await load(work, Order, order_id)
            assert (order.status, order.customer, order.total, order.placed_at) == (status, "ada", 198, PLACED)
            assert order.lines == (OrderLine("A1", 2, 99),)
            assert order.reason == (f"so {status}" if status in ("declined", "cancelled") else "")
        await OrderList(database).rebuild()
        async with database.connection() as connection:
            rows = await connection.fetch("SELECT id, status FROM orders")
        assert {row["status"]: row["id"] for row in rows} == ids
    finally:
        await database.stop()
