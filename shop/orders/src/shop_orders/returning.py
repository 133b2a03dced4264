"""Asking for a return, and looking how far it is."""

from __future__ import annotations

from atoll.data import Work
from atoll.sagas import Sagas
from atoll.service import Caller, implements
from shop_contracts import GetReturn, Orders, Return, Returned, ReturnId, ReturnOrder
from shop_orders.return_saga import ReturnGoods, return_goods
from shop_orders.store import own_order, save_order


@implements(Orders.return_order)
async def return_order(command: ReturnOrder, caller: Caller, work: Work, sagas: Sagas) -> Return:
    """Opens the return and starts its saga, in one transaction. Again: the return that there is."""
    order = await own_order(work, command.id, caller)
    if order.returned is None:
        items = tuple(Returned(line.sku, line.quantity) for line in order.lines)
        start = ReturnGoods(order.id, order.paid_with(), order.total, items)
        started = await sagas.start(work, return_goods, start)
        order.open_return(ReturnId(started.id))
        await save_order(work, order)
    return order.its_return()


@implements(Orders.get_return)
async def get_return(query: GetReturn, caller: Caller, work: Work) -> Return:
    """The return of one of the caller's orders."""
    return (await own_order(work, query.id, caller)).its_return()
