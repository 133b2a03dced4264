"""The order service: what it implements, consumes, calls and publishes. `atoll serve shop_orders:service` runs it."""

from __future__ import annotations

from atoll.service import Service
from shop_contracts import Inventory, OrderCancelled, OrderConfirmed, OrderCreated, Payments
from shop_orders.order_list import OrderList
from shop_orders.outcomes import cancel_order, confirm_orders, decline_order
from shop_orders.placing import place_order, quote_order
from shop_orders.reading import get_order, list_orders
from shop_orders.return_saga import return_goods
from shop_orders.returning import get_return, return_order
from shop_orders.settings import OrderSettings
from shop_orders.store import price_list
from shop_orders.unpaid import unpaid_orders

service = Service(
    "orders",
    handlers=(
        place_order, quote_order, get_order, list_orders, cancel_order, confirm_orders, decline_order,
        return_order, get_return,
    ),
    sagas=(return_goods,),
    projections=(OrderList,),
    provides=(price_list, unpaid_orders),
    settings=(OrderSettings,),
    calls=(Payments, Inventory),
    publishes=(OrderCreated, OrderConfirmed, OrderCancelled),
    migrations="shop_orders:migrations",
    version="0.2.0",
)  # fmt: skip
