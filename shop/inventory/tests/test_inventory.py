"""Stock and parcels in a real database."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from atoll.contracts import NotFound
from atoll.data import Database
from shop_contracts import (
    AnotherParcel,
    ListStock,
    OrderId,
    Parcel,
    ParcelId,
    ReceiveStock,
    Restock,
    Returned,
    ReturnId,
    ScanParcel,
    SendBack,
    Stock,
)
from shop_inventory.parcels import scan_parcel, send_back
from shop_inventory.stock import list_stock, receive_stock, restock


async def receive(database: Database, sku: str, pieces: int) -> Stock:
    async with database.work() as work:
        return await receive_stock(ReceiveStock(sku, pieces), work)


async def put_back(database: Database, *items: Returned) -> None:
    async with database.work() as work:
        await restock(Restock(ReturnId(uuid.uuid4()), items), work)


async def stock(database: Database) -> dict[str, int]:
    async with database.work() as work:
        page = await list_stock(ListStock(), work)
    return {one.sku: one.pieces for one in page.items}


async def scan(database: Database, parcel: ParcelId, order: OrderId) -> Parcel:
    async with database.work() as work:
        return await scan_parcel(ScanParcel(parcel, order), work)


async def published(database: Database) -> list[tuple[str, str]]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT subject, key FROM atoll.outbox ORDER BY fence, position")
    return [(row["subject"], row["key"]) for row in rows]


async def test_what_comes_from_the_maker_and_what_comes_back_add_up(database: Database) -> None:
    assert await receive(database, "A1", 5) == Stock("A1", 5)
    assert await receive(database, "A1", 2) == Stock("A1", 7)
    await put_back(database, Returned("A1", 1), Returned("NEVER-SEEN", 3))
    assert await stock(database) == {"A1": 8, "NEVER-SEEN": 3}


async def test_those_who_put_back_the_same_articles_at_once_do_not_wait_for_each_other(database: Database) -> None:
    skus = ["A1", "B2", "C3", "D4"]
    await asyncio.gather(
        *(
            put_back(database, *(Returned(sku, 1) for sku in (skus if number % 2 else reversed(skus))))
            for number in range(20)
        )
    )
    assert await stock(database) == dict.fromkeys(skus, 20)


async def test_pages_show_each_article_once(database: Database) -> None:
    await put_back(database, *(Returned(f"A{number}", number) for number in range(1, 8)))
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        async with database.work() as work:
            page = await list_stock(ListStock(limit=3, after=after), work)
        seen += [one.sku for one in page.items]
        after = page.next
    assert seen == [f"A{number}" for number in range(1, 8)]


async def test_a_scanned_parcel_is_told_each_time_it_is_scanned(database: Database) -> None:
    parcel, order = ParcelId(uuid.uuid4()), OrderId(uuid.uuid4())
    for _ in range(2):
        assert await scan(database, parcel, order) == Parcel(parcel, order)
    assert await published(database) == [("parcel.received", str(order))] * 2


async def test_a_parcel_belongs_to_one_order(database: Database) -> None:
    parcel = ParcelId(uuid.uuid4())
    await scan(database, parcel, OrderId(uuid.uuid4()))
    with pytest.raises(AnotherParcel):
        await scan(database, parcel, OrderId(uuid.uuid4()))
    assert len(await published(database)) == 1


async def test_a_parcel_is_sent_back_once_or_not_at_all(database: Database) -> None:
    parcel, order = ParcelId(uuid.uuid4()), OrderId(uuid.uuid4())
    await scan(database, parcel, order)
    for _ in range(2):
        async with database.work() as work:
            assert await send_back(SendBack(parcel), work) == Parcel(parcel, order, sent_back=True)
    with pytest.raises(NotFound):
        async with database.work() as work:
            await send_back(SendBack(ParcelId(uuid.uuid4())), work)
