"""Orders, their read model and prices in a real database, and what the handlers do with them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import pytest

from atoll.contracts import NotFound
from atoll.data import Database, StreamConflict, Work
from atoll.service import Caller
from shop_contracts import (
    CancelOrder,
    GetOrder,
    Item,
    ListOrders,
    NotCancellable,
    Order,
    PaymentCaptured,
    PaymentDeclined,
    PaymentId,
    PlaceOrder,
)
from shop_orders import store
from shop_orders.order_list import OrderList
from shop_orders.outcomes import cancel_order, confirm_orders, decline_order
from shop_orders.placing import place_order
from shop_orders.pricing import CURRENCIES
from shop_orders.reading import get_order, list_orders
from shop_orders.store import PriceList

SKUS = [letter + digit for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for digit in "123456789"]
T = TypeVar("T")
ONE = PlaceOrder((Item("A1", 2),))


@pytest.fixture
def ada() -> Caller:
    return Caller(str(uuid.uuid4()))


async def place(database: Database, caller: Caller) -> Order:
    async with database.work() as work:
        return await place_order(ONE, caller, work, PriceList(database))


async def place_and_die(database: Database, caller: Caller) -> Order:
    """Just before the commit."""
    with suppress(ZeroDivisionError):
        async with database.work() as work:
            order = await place_order(ONE, caller, work, PriceList(database))
            raise ZeroDivisionError
    return order


async def read(database: Database, caller: Caller, order: Order) -> Order:
    async with database.work() as work:
        return await get_order(GetOrder(order.id), caller, work)


async def again(database: Database, handle: Callable[[Work], Awaitable[T]]) -> T:
    """In one unit of work after the other, until nobody else is quicker: as the composition root and the consumer do."""
    while True:
        with suppress(StreamConflict):
            async with database.work() as work:
                return await handle(work)


async def cancel(database: Database, caller: Caller, order: Order) -> Order:
    return await again(database, lambda work: cancel_order(CancelOrder(order.id), caller, work))


async def capture(database: Database, order: Order, amount: int | None = None) -> None:
    event = PaymentCaptured(order.id, PaymentId(uuid.uuid4()), amount or order.total, order.currency)
    await again(database, lambda work: confirm_orders([event], work))


async def decline(database: Database, order: Order, why: str = "no") -> None:
    async with database.work() as work:
        await decline_order(PaymentDeclined(order.id, PaymentId(uuid.uuid4()), why), work)


async def subjects(database: Database, order: Order) -> list[str]:
    """What was published about the order, in order."""
    async with database.work() as work:
        rows = await work.fetch(
            "SELECT subject FROM atoll.outbox WHERE key = $1 ORDER BY fence, position", str(order.id)
        )
    return [row["subject"] for row in rows]


async def test_each_article_has_a_sensible_price_in_each_currency(database: Database) -> None:
    lists = {currency: await PriceList(database).prices(currency) for currency in CURRENCIES}
    assert {frozenset(prices) for prices in lists.values()} == {frozenset(SKUS)}
    assert (lists["EUR"]["A1"], lists["EUR"]["Z9"], lists["USD"]["A1"], lists["GBP"]["A1"]) == (99, 23_399, 109, 84)


async def test_a_new_price_is_seen_when_the_old_ones_are_no_longer_fresh(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = PriceList(database)
    before = (await prices.prices("EUR"))["A1"]
    async with database.work() as work:
        await work.execute("UPDATE prices SET amount = amount + 1 WHERE currency = 'EUR' AND sku = 'A1'")
    try:
        assert (await prices.prices("EUR"))["A1"] == before
        monkeypatch.setattr(store, "FRESH", 0.0)
        assert (await prices.prices("EUR"))["A1"] == before + 1
    finally:
        async with database.work() as work:
            await work.execute("UPDATE prices SET amount = $1 WHERE currency = 'EUR' AND sku = 'A1'", before)


async def test_payments_that_come_together_confirm_each_order_and_one_conflict_lets_none_through(
    database: Database, ada: Caller
) -> None:
    placed = [await place(database, ada) for _ in range(5)]
    events = [PaymentCaptured(order.id, PaymentId(uuid.uuid4()), order.total, order.currency) for order in placed]
    with pytest.raises(StreamConflict):
        async with database.work() as work:
            await confirm_orders(events, work)
            await asyncio.create_task(cancel(database, ada, placed[3]))  # somebody else, before the commit
    assert [(await read(database, ada, order)).status for order in placed] == ["pending"] * 3 + ["cancelled", "pending"]
    async with database.work() as work:
        await confirm_orders(events, work)
    assert [(await read(database, ada, order)).status for order in placed] == ["confirmed"] * 3 + [
        "cancelled",
        "confirmed",
    ]


async def test_an_order_and_its_event_commit_together_or_not_at_all(database: Database, ada: Caller) -> None:
    order = await place(database, ada)
    assert await read(database, ada, order) == order
    assert await subjects(database, order) == ["order.created"]
    lost = await place_and_die(database, ada)
    assert await subjects(database, lost) == []
    with pytest.raises(NotFound):
        await read(database, ada, lost)


async def test_others_do_not_find_an_order(database: Database, ada: Caller) -> None:
    order = await place(database, ada)
    eve = Caller("eve")
    with pytest.raises(NotFound):
        await read(database, eve, order)
    with pytest.raises(NotFound):
        await cancel(database, eve, order)


async def test_a_payment_confirms_an_order_once(database: Database, ada: Caller) -> None:
    order = await place(database, ada)
    for _ in range(2):
        await capture(database, order)
    assert (await read(database, ada, order)).status == "confirmed"
    assert await subjects(database, order) == ["order.created", "order.confirmed"]


async def test_another_amount_confirms_nothing(database: Database, ada: Caller) -> None:
    order = await place(database, ada)
    with pytest.raises(Exception, match="costs 198 EUR, but 1 EUR were captured"):
        await capture(database, order, 1)
    assert (await read(database, ada, order)).status == "pending"


async def test_a_declined_payment_declines_the_order(database: Database, ada: Caller) -> None:
    order = await place(database, ada)
    await decline(database, order)
    declined = await read(database, ada, order)
    assert (declined.status, declined.reason) == ("declined", "payment declined: no")
    with pytest.raises(NotCancellable):
        await cancel(database, ada, order)


async def test_cancelling_again_finds_it_done_and_tells_nobody_twice(database: Database, ada: Caller) -> None:
    order = await place(database, ada)
    cancelled = await cancel(database, ada, order)
    assert cancelled.status == "cancelled"
    assert await cancel(database, ada, order) == cancelled == await read(database, ada, order)
    assert await subjects(database, order) == ["order.created", "order.cancelled"]
    with pytest.raises(NotFound):
        await cancel(database, Caller("eve"), order)


async def test_a_payment_for_a_strangers_order_is_let_go(database: Database) -> None:
    stranger = PaymentCaptured(uuid.uuid4(), PaymentId(uuid.uuid4()), 1, "EUR")  # type: ignore[arg-type]
    async with database.work() as work:
        await confirm_orders([stranger], work)


async def test_capture_and_cancellation_that_race_end_as_the_table_says(database: Database, ada: Caller) -> None:
    for _ in range(20):
        order = await place(database, ada)
        await asyncio.gather(capture(database, order), cancel(database, ada, order), capture(database, order))
        assert (await read(database, ada, order)).status == "cancelled"
        heard = await subjects(database, order)
        assert heard in (
            ["order.created", "order.cancelled"],
            ["order.created", "order.confirmed", "order.cancelled"],
        )


async def test_pages_show_each_order_once_while_new_ones_come(
    database: Database, orders: OrderList, ada: Caller
) -> None:
    placed = [(await place(database, ada)).id for _ in range(5)]
    seen, cursor = [], ""
    while True:
        page = await list_orders(ListOrders(limit=2, cursor=cursor), ada, orders)
        seen += [order.id for order in page.items]
        await place(database, ada)
        if page.next is None:
            break
        cursor = page.next
    assert seen == placed[::-1]


async def test_a_list_shows_what_the_orders_events_say_and_so_does_a_rebuilt_one(
    database: Database, orders: OrderList, ada: Caller
) -> None:
    placed = [await place(database, ada) for _ in range(5)]
    await capture(database, placed[0])
    await decline(database, placed[1])
    await cancel(database, ada, placed[2])
    await capture(database, placed[3])
    await cancel(database, ada, placed[3])
    truth = [await read(database, ada, order) for order in reversed(placed)]
    assert list((await list_orders(ListOrders(), ada, orders)).items) == truth
    async with database.work() as work:
        await work.execute(
            "UPDATE orders SET status = 'cancelled', reason = 'nonsense' WHERE customer = $1", ada.subject
        )
    await orders.rebuild()
    assert list((await list_orders(ListOrders(), ada, orders)).items) == truth


async def test_a_reason_that_no_text_can_hold_keeps_nobodys_list(
    database: Database, orders: OrderList, ada: Caller
) -> None:
    order = await place(database, ada)
    await decline(database, order, "no\0 money" + "!" * 300)
    (shown,) = (await list_orders(ListOrders(), ada, orders)).items
    assert (shown.status, len(shown.reason)) == ("declined", 200)
    assert "no money!!" in shown.reason


async def test_a_page_is_read_from_the_index(database: Database) -> None:
    async with database.work() as work:
        await work.execute("SET LOCAL enable_seqscan = off")
        plan = await work.fetch(
            "EXPLAIN SELECT id FROM orders WHERE customer = 'a' AND id < $1 ORDER BY id DESC LIMIT 20", uuid.uuid4()
        )
    text = "\n".join(row[0] for row in plan)
    assert "orders_of_customer" in text
    assert "Sort" not in text
