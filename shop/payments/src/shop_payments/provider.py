"""The port to whoever moves the money. A real provider is one adapter that keeps these four promises.

- Every call carries a key. The same call with the same key again has no further effect and gets the same answer, also when the
  first answer was lost on its way.
- `charge` either takes all of the amount or none of it.
- `void` ends the matter for good: what was taken goes back, and a charge that comes later with that key is declined.
- No answer in time, or a failure of the provider's own, is `ProviderUnavailable`: nothing is known, asking again is safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shop_contracts import CardToken


@dataclass(frozen=True, slots=True)
class CardCharge:
    """amount: whole minor units of ``currency``. key: at most one charge is ever made with it."""

    key: str
    amount: int
    currency: str
    card: CardToken


@dataclass(frozen=True, slots=True)
class Decision:
    """What the provider decided. reason: why it was declined, else empty."""

    accepted: bool
    reason: str = ""


class PaymentProvider(Protocol):
    """Takes money from cards, and gives it back."""

    async def check(self, charge: CardCharge) -> Decision:
        """Whether the charge would be accepted now. Nothing is stored; the key does not matter."""

    async def charge(self, charge: CardCharge) -> Decision:
        """Takes the money, once for its key. ProviderUnavailable, ChargeMismatch (same key, other amount or currency)."""

    async def refund(self, key: str, refund_key: str, amount: int) -> None:
        """Gives back minor units of the charge ``key``, once for the refund key. ProviderUnavailable, NotRefundable."""

    async def void(self, key: str) -> None:
        """Gives back all that is left of the charge, and lets no charge follow. ProviderUnavailable."""
