"""Returns in a real database; the payment service and the warehouse are played."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from atoll.contracts import Error, NotFound, Operation
from atoll.data import Database, StreamConflict
from atoll.sagas import SagaRunner
from atoll.service import Caller
from shop_contracts import (
    CancelOrder,
    GetReturn,
    Inventory,
    Item,
    NotCancellable,
    NotRefundable,
    NotReturnable,
    OrderId,
    ParcelId,
    ParcelReceived,
    PaymentCaptured,
    PaymentId,
    Payments,
    PlaceOrder,
    ProviderUnavailable,
    Return,
    ReturnOrder,
)
from shop_orders.outcomes import cancel_order, confirm_orders
from shop_orders.placing import place_order
from shop_orders.return_saga import NO_PARCEL, NO_REFUND, return_goods
from shop_orders.returning import get_return, return_order
from shop_orders.settings import OrderSettings
from shop_orders.store import PriceList

ADA = Caller("ada")
SOON = 30.0  # seconds; a guard, each of these takes far less


class Others:
    """Stands for the other services. heard: the operations asked for, with their messages; fails: what each answers first."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.fails: dict[str, list[Error]] = {}

    async def call(self, operation: Operation[Any, Any], message: Any) -> Any:
        self.heard.append((operation.name, message))
        if failures := self.fails.get(operation.name):
            raise failures.pop(0)
        return None

    def asked(self) -> list[str]:
        return [name for name, _ in self.heard]


class Shop:
    """The order service's returns, running."""

    def __init__(self, database: Database, others: Others, runner: SagaRunner) -> None:
        self.database = database
        self.others = others
        self.runner = runner

    async def paid_order(self) -> OrderId:
        async with self.database.work() as work:
            order = await place_order(PlaceOrder((Item("A1", 2), Item("B2", 1))), ADA, work, PriceList(self.database))
        async with self.database.work() as work:
            event = PaymentCaptured(order.id, PaymentId(uuid.uuid4()), order.total, order.currency)
            await confirm_orders([event], work)
        return order.id

    async def ask(self, order_id: OrderId, caller: Caller = ADA) -> Return:
        while True:
            try:
                async with self.database.work() as work:
                    return await return_order(ReturnOrder(order_id), caller, work, self.runner.sagas)
            except StreamConflict:
                continue  # as the composition root does

    async def scan(self, order_id: OrderId) -> ParcelId:
        parcel = ParcelId(uuid.uuid4())
        async with self.database.work() as work:
            await self.runner.sagas.deliver(work, return_goods, ParcelReceived(order_id, parcel))
        return parcel

    async def shown(self, order_id: OrderId) -> Return:
        async with self.database.work() as work:
            return await get_return(GetReturn(order_id), ADA, work)

    async def ended(self, asked: Return) -> str:
        """The saga's state at its end."""
        until = time.monotonic() + SOON
        while (found := await self.runner.sagas.show(asked.id)).saga.ended_at is None:
            assert time.monotonic() < until, found
            await asyncio.sleep(0.01)
        return found.saga.state


@pytest.fixture
async def open_shop(database: Database) -> AsyncIterator[Callable[..., Awaitable[Shop]]]:
    runners: list[SagaRunner] = []

    async def start(**settings: float) -> Shop:
        others = Others()
        channel: Any = others  # it has all that a saga uses of one
        provided = {
            Payments: Payments(channel), Inventory: Inventory(channel), OrderSettings: OrderSettings(**settings),
        }  # fmt: skip
        runner = SagaRunner(database, [return_goods], service="orders", provided=provided)
        runners.append(runner)
        await runner.start()
        return Shop(database, others, runner)

    yield start
    for runner in runners:
        await runner.stop()


Open = Callable[..., Awaitable[Shop]]


async def test_goods_come_back_then_the_money_does(open_shop: Open) -> None:
    shop = await open_shop()
    order_id = await shop.paid_order()
    asked = await shop.ask(order_id)
    assert (asked.status, asked.order_id) == ("waiting", order_id)
    assert shop.others.asked() == []  # nothing happens before the parcel is there
    await shop.scan(order_id)
    assert await shop.ended(asked) == "completed"
    assert (await shop.shown(order_id)).status == "closed"
    assert shop.others.asked() == ["refund", "restock"]
    refund, restock = (message for _, message in shop.others.heard)
    assert refund.amount == 2 * 99 + 399
    assert [(item.sku, item.pieces) for item in restock.items] == [("A1", 2), ("B2", 1)]
    assert restock.return_id == asked.id


async def test_a_parcel_that_does_not_come_ends_the_return_and_the_order_stays_paid(open_shop: Open) -> None:
    shop = await open_shop(orders_parcel_timeout=0.01)
    order_id = await shop.paid_order()
    asked = await shop.ask(order_id)
    assert await shop.ended(asked) == "compensated"
    shown = await shop.shown(order_id)
    assert (shown.status, shown.reason) == ("failed", NO_PARCEL)
    assert shop.others.asked() == []
    assert await shop.ask(order_id) == shown  # one return an order


async def test_a_refund_that_is_refused_sends_the_parcel_back(open_shop: Open) -> None:
    shop = await open_shop()
    shop.others.fails["refund"] = [NotRefundable("it went back already")]
    order_id = await shop.paid_order()
    asked = await shop.ask(order_id)
    parcel = await shop.scan(order_id)
    assert await shop.ended(asked) == "compensated"
    shown = await shop.shown(order_id)
    assert (shown.status, shown.reason) == ("failed", NO_REFUND)
    assert shop.others.asked() == ["refund", "send_back"]
    assert shop.others.heard[-1][1].id == parcel


async def test_a_payment_service_that_is_away_is_asked_again(open_shop: Open) -> None:
    shop = await open_shop()
    shop.others.fails["refund"] = [ProviderUnavailable("no answer")]
    order_id = await shop.paid_order()
    asked = await shop.ask(order_id)
    await shop.scan(order_id)
    assert await shop.ended(asked) == "completed"
    assert shop.others.asked() == ["refund", "refund", "restock"]


async def test_twenty_who_ask_at_once_get_one_return(open_shop: Open) -> None:
    shop = await open_shop()
    order_id = await shop.paid_order()
    asked = await asyncio.gather(*(shop.ask(order_id) for _ in range(20)))
    assert len({one.id for one in asked}) == 1
    assert [one.key for one in await shop.runner.sagas.list(key=str(order_id))] == [str(order_id)]


async def test_what_is_not_paid_not_there_or_not_yours_cannot_be_returned(open_shop: Open) -> None:
    shop = await open_shop()
    async with shop.database.work() as work:
        unpaid = await place_order(PlaceOrder((Item("A1", 1),)), ADA, work, PriceList(shop.database))
    with pytest.raises(NotReturnable, match="pending"):
        await shop.ask(unpaid.id)
    with pytest.raises(NotFound):
        await shop.shown(unpaid.id)
    paid = await shop.paid_order()
    with pytest.raises(NotFound):
        await shop.ask(paid, Caller("eve"))
    assert [*await shop.runner.sagas.list(key=str(unpaid.id)), *await shop.runner.sagas.list(key=str(paid))] == []


async def test_an_order_is_cancelled_or_returned_and_never_both(open_shop: Open) -> None:
    shop = await open_shop()
    for _ in range(10):
        order_id = await shop.paid_order()
        outcomes = await asyncio.gather(shop.ask(order_id), _cancel(shop, order_id), return_exceptions=True)
        refused = [one for one in outcomes if isinstance(one, NotReturnable | NotCancellable)]
        assert len(refused) == 1, outcomes


async def _cancel(shop: Shop, order_id: OrderId) -> None:
    while True:
        try:
            async with shop.database.work() as work:
                await cancel_order(CancelOrder(order_id), ADA, work)
        except StreamConflict:
            continue
        return
