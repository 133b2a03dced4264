"""The inventory service of the shop: what is on the shelf, and what came back.

Its two tables are its types: stock and parcels. It must not import another service, only `atoll` and `shop_contracts`.
"""

from shop_inventory.service import service

__all__ = ["service"]
