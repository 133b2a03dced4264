"""The order service of the shop: takes orders at its own prices and follows them until they are paid, cancelled or returned.

Its one type is `Order`, an aggregate. It must not import another service, only `atoll` and `shop_contracts`.
"""

from shop_orders.service import service

__all__ = ["service"]
