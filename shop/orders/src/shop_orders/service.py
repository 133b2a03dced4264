"""The order service: what it implements, consumes, calls and publishes. `atoll serve shop_orders:service` runs it."""

from __future__ import annotations

from atoll.service import Service
from shop_contracts import OrderCancelled, OrderConfirmed, OrderCreated, Payments
from shop_orders.outcomes import cancel_order, confirm_order, decline_order
from shop_orders.placing import place_order, quote_order
from shop_orders.reading import get_order, list_orders

service = Service(
    "orders",
    handlers=(place_order, quote_order, get_order, list_orders, cancel_order, confirm_order, decline_order),
    calls=(Payments,),
    publishes=(OrderCreated, OrderConfirmed, OrderCancelled),
    migrations="shop_orders:migrations",
    version="0.1.0",
)
