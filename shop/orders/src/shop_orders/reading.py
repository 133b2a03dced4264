"""What customers see of their orders: one from its own events, always as it is now; lists from the read model."""

from __future__ import annotations

from atoll.data import Work
from atoll.service import Caller, implements
from shop_contracts import GetOrder, ListOrders, OrderPage, Orders, UserId
from shop_contracts import Order as OrderView
from shop_orders.cursor import decode_cursor, encode_cursor
from shop_orders.order_list import OrderList
from shop_orders.store import own_order


@implements(Orders.get)
async def get_order(query: GetOrder, caller: Caller, work: Work) -> OrderView:
    """One order of the caller."""
    return (await own_order(work, query.id, caller)).view()


@implements(Orders.list)
async def list_orders(query: ListOrders, caller: Caller, orders: OrderList) -> OrderPage:
    """The caller's orders, newest first. One more than the page is read, to know whether another page follows."""
    after = decode_cursor(query.cursor) if query.cursor else None
    await orders.caught_up()  # so that whoever has just placed an order finds it here
    found = await orders.page(UserId(caller.subject), after, query.limit + 1)
    page, rest = found[: query.limit], found[query.limit :]
    return OrderPage(tuple(page), encode_cursor(page[-1].id) if rest else None)
