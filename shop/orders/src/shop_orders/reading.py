"""What customers see of their orders. Someone else's order is not found: whether it exists is nobody else's business."""

from __future__ import annotations

from atoll.contracts import NotFound
from atoll.data import Work
from atoll.service import Caller, implements
from shop_contracts import GetOrder, ListOrders, OrderPage, Orders, UserId
from shop_contracts import Order as OrderView
from shop_orders.cursor import decode_cursor, encode_cursor
from shop_orders.store import read_order, read_page


@implements(Orders.get)
async def get_order(query: GetOrder, caller: Caller, work: Work) -> OrderView:
    """One order of the caller."""
    order = await read_order(work, query.id)
    if order is None or order.customer != caller.subject:
        raise NotFound(f"you have no order {query.id}")
    return order.view()


@implements(Orders.list)
async def list_orders(query: ListOrders, caller: Caller, work: Work) -> OrderPage:
    """The caller's orders, newest first. One more than the page is read, to know whether another page follows."""
    after = decode_cursor(query.cursor) if query.cursor else None
    found = await read_page(work, UserId(caller.subject), after, query.limit + 1)
    page, rest = found[: query.limit], found[query.limit :]
    return OrderPage(tuple(order.view() for order in page), encode_cursor(page[-1].id) if rest else None)
