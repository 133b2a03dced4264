"""The payment service: what it implements, consumes and publishes. `atoll serve shop_payments:service` runs it."""

from __future__ import annotations

from atoll.service import Service
from shop_contracts import PaymentCaptured, PaymentDeclined, PaymentRefunded
from shop_payments.acquiring import simulated_acquirer
from shop_payments.operations import charge, get_payment, refund
from shop_payments.orders_events import charge_created_orders, pay_back_cancelled_order
from shop_payments.settings import AcquirerSettings, PaymentSettings

service = Service(
    "payments",
    handlers=(charge, get_payment, refund, charge_created_orders, pay_back_cancelled_order),
    publishes=(PaymentCaptured, PaymentDeclined, PaymentRefunded),
    provides=(simulated_acquirer,),
    settings=(PaymentSettings, AcquirerSettings),
    migrations="shop_payments:migrations",
    version="0.1.0",
)
