"""Payments and the acquirer's books in a real database: claims that meet, deaths before the commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from atoll.contracts import Invalid, NotFound, new_id
from atoll.data import Database, Work
from atoll.service import Caller, Request, Sources, bind
from shop_contracts import ChargeMismatch, NotRefundable, OrderId, PaymentId, RefundPayment
from shop_contracts import Payment as PaymentView
from shop_payments.acquirer import SimulatedAcquirer
from shop_payments.acquirer.postgres import PostgresVault
from shop_payments.book import WorkBook
from shop_payments.charging import Demand, cancel_charge, charge_order, refund_payment
from shop_payments.operations import refund as refund_operation
from shop_payments.payment import Payment
from shop_payments.provider import CardCharge, PaymentProvider


@pytest.fixture
async def provider(database_url: str) -> AsyncIterator[PaymentProvider]:
    books = Database(database_url, service="acquirer")
    await books.start()
    yield SimulatedAcquirer(PostgresVault(books), limit=10_000, silence=0)
    await books.stop()


@pytest.fixture
def order() -> OrderId:
    return new_id(OrderId)


async def charge(database: Database, provider: PaymentProvider, order: OrderId, amount: int = 500) -> Payment:
    async with database.work() as work:
        return await charge_order(WorkBook(work), provider, Demand(order, amount, "EUR", "tok_ok"))


async def cancel(database: Database, provider: PaymentProvider, order: OrderId) -> Payment:
    async with database.work() as work:
        return await cancel_charge(WorkBook(work), provider, order)


async def ledger(database: Database, order: OrderId) -> list[int]:
    async with database.work() as work:
        rows = await work.fetch("SELECT amount FROM acquirer_ledger WHERE key = $1 ORDER BY booked_at", str(order))
    return [row["amount"] for row in rows]


async def subjects(database: Database, order: OrderId) -> list[str]:
    async with database.work() as work:
        rows = await work.fetch("SELECT subject FROM atoll.outbox WHERE key = $1 ORDER BY fence, position", str(order))
    return [row["subject"] for row in rows]


async def test_claims_that_meet_charge_once(database: Database, provider: PaymentProvider, order: OrderId) -> None:
    payments = await asyncio.gather(*(charge(database, provider, order) for _ in range(8)))
    assert len({payment.id for payment in payments}) == 1
    assert await ledger(database, order) == [500]
    assert await subjects(database, order) == ["payment.captured"]


async def test_another_amount_is_refused(database: Database, provider: PaymentProvider, order: OrderId) -> None:
    await charge(database, provider, order)
    with pytest.raises(ChargeMismatch):
        await charge(database, provider, order, 501)


async def test_the_booking_outlives_a_death_and_the_repeat_finds_it(
    database: Database, provider: PaymentProvider, order: OrderId
) -> None:
    with suppress(ZeroDivisionError):
        async with database.work() as work:
            await charge_order(WorkBook(work), provider, Demand(order, 500, "EUR", "tok_ok"))
            raise ZeroDivisionError
    assert (await ledger(database, order), await subjects(database, order)) == ([500], [])
    assert (await charge(database, provider, order)).state == "captured"
    assert (await ledger(database, order), await subjects(database, order)) == ([500], ["payment.captured"])


async def test_a_charge_and_a_cancellation_that_race_leave_nothing_charged(
    database: Database, provider: PaymentProvider
) -> None:
    for _ in range(20):
        order = new_id(OrderId)
        await asyncio.gather(charge(database, provider, order), cancel(database, provider, order))
        await charge(database, provider, order)
        assert sum(await ledger(database, order)) == 0
        heard = await subjects(database, order)
        assert heard in (["payment.declined"], ["payment.captured", "payment.refunded"])


async def test_refunds_are_noted_by_their_names(database: Database, provider: PaymentProvider, order: OrderId) -> None:
    payment = await charge(database, provider, order)

    async def refund(amount: int | None, key: str) -> Payment:
        async with database.work() as work:
            return await refund_payment(WorkBook(work), provider, payment.id, amount, "till", key)

    assert (await refund(200, "a")).refunded == 200
    assert (await refund(200, "a")).refunded == 200
    with pytest.raises(NotRefundable):
        await refund(301, "b")
    assert (await refund(None, "c")).view().status == "refunded"
    assert await ledger(database, order) == [500, -200, -300]


async def test_a_refund_needs_a_key_which_is_its_callers_own(
    database: Database, provider: PaymentProvider, order: OrderId
) -> None:
    payment = await charge(database, provider, order)
    handle = bind(refund_operation, Sources(scoped=(Work,), provided={PaymentProvider: provider}))

    async def ask(caller: Caller, **headers: str) -> PaymentView:
        request = Request("refund", RefundPayment(payment.id, 100), headers=headers, caller=caller)
        async with database.work() as work:
            request.scope[Work] = work
            made: PaymentView = await handle(request)
            return made

    for _ in range(2):
        assert (await ask(Caller("till"), **{"idempotency-key": "1"})).refunded == 100
    assert (await ask(Caller("robot"), **{"idempotency-key": "1"})).refunded == 200
    assert (await ask(Caller(peer="orders"), **{"idempotency-key": "1"})).refunded == 300
    with pytest.raises(Invalid) as refused:
        await ask(Caller("till"))
    assert refused.value.fields[0].field == "header:idempotency-key"
    assert await ledger(database, order) == [500, -100, -100, -100]


async def test_an_unknown_payment_is_not_found(database: Database) -> None:
    async with database.work() as work:
        with pytest.raises(NotFound):
            await WorkBook(work).read(new_id(PaymentId))


async def test_many_charges_at_once_do_not_wait_for_each_others_connections(
    database: Database, provider: PaymentProvider
) -> None:
    async with asyncio.timeout(20):
        await asyncio.gather(*(charge(database, provider, new_id(OrderId)) for _ in range(60)))


async def test_an_error_changes_nothing_in_the_vault(
    database: Database, provider: PaymentProvider, order: OrderId
) -> None:
    await provider.charge(CardCharge(str(order), 500, "EUR", "tok_ok"))
    with pytest.raises(ChargeMismatch):
        await provider.charge(CardCharge(str(order), 501, "EUR", "tok_ok"))
    assert await ledger(database, order) == [500]
