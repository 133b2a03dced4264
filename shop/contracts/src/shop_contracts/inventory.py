"""What the inventory service promises: how much of each article is there, and what came back.

Pieces are whole numbers. Checkout does not ask it: what is sold is counted elsewhere.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from atoll.contracts import Access, Api, Conflict, Event, Input, Message, NotFound, Operation, Surface
from shop_contracts.ids import OrderId, ParcelId, Quantity, ReturnId, Sku
from shop_contracts.scopes import INVENTORY_READ, INVENTORY_WRITE, PARCELS_SCAN

MAX_ARTICLES = 100

Pieces = Annotated[int, Meta(ge=0, description="How many are there")]


class AnotherParcel(Conflict, code="another-parcel"):
    """The parcel was scanned before, for another order."""


class ListStock(Input):
    """A page of the articles, by sku. after: ``next`` of the page before; empty for the first page."""

    limit: Annotated[int, Meta(ge=1, le=MAX_ARTICLES)] = MAX_ARTICLES
    after: Annotated[str, Meta(max_length=32)] = ""


class Stock(Message):
    """How much of one article is there."""

    sku: Sku
    pieces: Pieces


class StockPage(Message):
    """One page. next: what ``after`` is for the page after; null when this is the last one."""

    items: tuple[Stock, ...]
    next: str | None = None


class ReceiveStock(Input):
    """So many pieces of an article came from its maker."""

    sku: Sku
    pieces: Quantity


class Returned(Input):
    """So many pieces of one article."""

    sku: Sku
    pieces: Quantity


class Restock(Input):
    """What came back with a return goes on the shelf. It refuses no article, known or not: the money is back already."""

    return_id: ReturnId
    items: Annotated[tuple[Returned, ...], Meta(min_length=1)]


class ScanParcel(Input):
    """A parcel that came back, with the order's id on its label. id: of the parcel; the path says which."""

    id: ParcelId
    order_id: OrderId


class SendBack(Input):
    """The parcel whose return has failed; the path says which."""

    id: ParcelId


class Parcel(Message):
    """A parcel in the warehouse. sent_back: it goes, or went, to the customer again."""

    id: ParcelId
    order_id: OrderId
    sent_back: bool = False


class ParcelReceived(Event, subject="parcel.received", version=1, key="order_id"):
    """The warehouse has scanned what a customer sent back. A parcel that is scanned again is received again."""

    order_id: OrderId
    parcel_id: ParcelId


class Inventory(Api):
    """The warehouse. The order service may restock and send back; the rest is for people and machines of the warehouse."""

    list = Operation(
        "GET /stock", ListStock, StockPage, access=Access(scopes=(INVENTORY_READ,)), summary="All articles"
    )
    receive = Operation(
        "POST /stock/{sku}/receive", ReceiveStock, Stock, keyed=True, access=Access(scopes=(INVENTORY_WRITE,)),
        http=Surface(status=200), summary="Put pieces on the shelf",
    )  # fmt: skip
    restock = Operation(
        "POST /returns/{return_id}/restock", Restock, None, keyed=True,
        access=Access(scopes=(INVENTORY_WRITE,), trusted=("orders",)), summary="Put back what was returned",
    )  # fmt: skip
    scan = Operation(
        "POST /parcels/{id}/scan", ScanParcel, Parcel, idempotent=True, access=Access(scopes=(PARCELS_SCAN,)),
        errors=(AnotherParcel,), summary="A parcel came back",
    )  # fmt: skip
    send_back = Operation(
        "POST /parcels/{id}/send-back", SendBack, Parcel, idempotent=True,
        access=Access(scopes=(PARCELS_SCAN,), trusted=("orders",)), errors=(NotFound,),
        summary="A parcel goes back to the customer",
    )  # fmt: skip
