"""Orders that nobody pays: cancelled when their time is over, whatever comes in at the same moment."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from atoll.data import Database, StreamConflict, Work, load
from atoll.service import Caller
from shop_contracts import Item, OrderId, OrderStatus, PaymentCaptured, PaymentId, PlaceOrder
from shop_orders.order import NOT_PAID, Order
from shop_orders.order_list import OrderList
from shop_orders.outcomes import confirm_orders
from shop_orders.placing import place_order
from shop_orders.store import PriceList
from shop_orders.unpaid import AT_ONCE, UnpaidOrders

AT_LAST = 0.0  # seconds: each order that waits is overdue
NEVER = 3600.0


@pytest.fixture(autouse=True)
async def no_others(database: Database, orders: OrderList) -> None:
    """Orders of other tests do not wait any more."""
    await orders.caught_up()
    while await UnpaidOrders(database, orders, AT_LAST).look():
        await orders.caught_up()


async def place(database: Database, orders: OrderList) -> OrderId:
    async with database.work() as work:
        placed = await place_order(PlaceOrder((Item("A1", 2),)), Caller(str(uuid.uuid4())), work, PriceList(database))
    await orders.caught_up()
    return placed.id


async def pay(database: Database, order_id: OrderId) -> None:
    event = PaymentCaptured(order_id, PaymentId(uuid.uuid4()), 198, "EUR")
    while True:
        try:
            async with database.work() as work:
                return await confirm_orders([event], work)
        except StreamConflict:
            continue  # as the consumer does


async def status(database: Database, order_id: OrderId) -> tuple[OrderStatus, str]:
    async with database.work() as work:
        order = await load(work, Order, order_id)
    return order.status, order.reason


async def heard(work: Work, order_id: OrderId) -> list[str]:
    statement = "SELECT subject FROM atoll.outbox WHERE key = $1 ORDER BY fence, position"
    return [row["subject"] for row in await work.fetch(statement, str(order_id))]


async def test_an_order_is_cancelled_when_its_time_is_over_and_not_before(
    database: Database, orders: OrderList
) -> None:
    order_id = await place(database, orders)
    assert await UnpaidOrders(database, orders, NEVER).look() == 0
    assert await status(database, order_id) == ("pending", "")
    assert await UnpaidOrders(database, orders, AT_LAST).look() == 1
    assert await status(database, order_id) == ("cancelled", NOT_PAID)
    await orders.caught_up()
    assert await UnpaidOrders(database, orders, AT_LAST).look() == 0


async def test_a_paid_order_stays_even_if_the_read_model_does_not_know_yet(database: Database) -> None:
    behind = OrderList(database)  # nobody runs it
    order_id = await place_unlisted(database)
    await pay(database, order_id)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO orders (id, customer, status, total, currency, lines, created_at) "
            "VALUES ($1, 'x', 'pending', 1, 'EUR', '[]', now() - interval '1 day') "
            "ON CONFLICT (id) DO UPDATE SET status = 'pending'",
            order_id,
        )
    assert await UnpaidOrders(database, behind, AT_LAST).look() >= 1
    assert await status(database, order_id) == ("confirmed", "")


async def place_unlisted(database: Database) -> OrderId:
    async with database.work() as work:
        return (await place_order(PlaceOrder((Item("A1", 2),)), Caller("x"), work, PriceList(database))).id


async def test_a_payment_that_races_the_end_of_the_time_wins_or_comes_too_late(
    database: Database, orders: OrderList
) -> None:
    ends = set()
    for _ in range(20):
        order_id = await place(database, orders)
        clocks = [UnpaidOrders(database, orders, AT_LAST) for _ in range(2)]  # two instances
        await asyncio.gather(pay(database, order_id), *(clock.look() for clock in clocks))
        end, _ = await status(database, order_id)
        async with database.work() as work:
            told = await heard(work, order_id)
        assert told == ["order.created", f"order.{end}"]  # one of the two, once: payments pays back what is cancelled
        ends.add(end)
        await orders.caught_up()
    assert ends <= {"confirmed", "cancelled"}


async def test_a_late_payment_leaves_a_cancelled_order_cancelled(database: Database, orders: OrderList) -> None:
    order_id = await place(database, orders)
    await UnpaidOrders(database, orders, AT_LAST).look()
    await pay(database, order_id)
    assert await status(database, order_id) == ("cancelled", NOT_PAID)


async def test_more_than_one_look_can_take_are_cancelled_in_several(database: Database, orders: OrderList) -> None:
    placed = [await place_unlisted(database) for _ in range(AT_ONCE + 1)]
    await orders.caught_up()
    unpaid = UnpaidOrders(database, orders, AT_LAST)
    assert await unpaid.look() == AT_ONCE
    await orders.caught_up()
    assert await unpaid.look() == 1
    assert {await status(database, order_id) for order_id in placed} == {("cancelled", NOT_PAID)}
