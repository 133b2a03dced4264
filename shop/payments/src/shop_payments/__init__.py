"""The payment service of the shop: charges each order once, whatever is repeated or lost, and pays back.

Its one type is `PaymentProvider`, the port to whoever moves the money. It must not import another service, only `atoll` and
`shop_contracts`.
"""

from shop_payments.service import service

__all__ = ["service"]
