"""The shop's identifiers and the small types that several of its services share."""

from __future__ import annotations

from typing import Annotated, Final, NewType
from uuid import UUID

from msgspec import Meta

UserId = NewType("UserId", str)
"""Who is asking: the ``sub`` of a token. A user's UUID, or a machine's client id."""

OrderId = NewType("OrderId", UUID)
PaymentId = NewType("PaymentId", UUID)
ReturnId = NewType("ReturnId", UUID)
ParcelId = NewType("ParcelId", UUID)

DEFAULT_CURRENCY: Final = "EUR"

# `$` alone also lets a line feed at the end pass in Python; `$(?!\n)` does not, and means the same in JSON Schema's dialect.
Sku = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z0-9][A-Z0-9-]{0,31}$(?!\n)", max_length=32, description="Stock keeping unit, such as A1",
        examples=["A1"],
    ),
]  # fmt: skip
Quantity = Annotated[int, Meta(ge=1, le=1000, description="How many")]
Reason = Annotated[str, Meta(max_length=200, description="Why, for people; empty when there is nothing to explain")]

CardToken = Annotated[
    str,
    Meta(
        pattern=r"^tok_[a-z0-9_]{1,40}$(?!\n)", max_length=44,
        description="Stands for a card at the acquirer; never a card number",
    ),
]  # fmt: skip
DEFAULT_CARD: Final = "tok_ok"
"""The card that is charged when the customer names none; the payment service documents the test cards that fail."""
