"""What the acquirer knows of one key: what was decided, and each movement of money. Immutable, and without any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from shop_contracts import ChargeMismatch, NotRefundable
from shop_payments.acquirer.cards import FAILS_ONCE, decide
from shop_payments.provider import CardCharge

AccountState = Literal["new", "captured", "declined", "void"]
_CHARGE: Final = "charge"
_VOID: Final = "void"
_REFUND: Final = "refund:"
_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class Account(Struct, frozen=True):
    """entries: minor units by the entry's own key; money taken is positive, money given back negative. attempts: to charge."""

    key: str
    state: AccountState = "new"
    amount: int = 0
    currency: str = ""
    reason: str = ""
    attempts: int = 0
    entries: Mapping[str, int] = field(default_factory=lambda: _NOTHING)

    @property
    def left(self) -> int:
        """Minor units that were taken and not given back."""
        return sum(self.entries.values())

    def charge(self, charge: CardCharge, limit: int) -> Account:
        """After one more attempt to charge. ChargeMismatch if the key stands for another amount already."""
        tried = replace(self, attempts=self.attempts + 1)
        if self.state == "void":
            return replace(tried, reason=self.reason or "voided before it was charged")
        if self.state != "new":
            self._must_match(charge)
            return tried
        if charge.card == FAILS_ONCE and tried.attempts == 1:
            return tried
        return tried._decided(charge, limit)

    def refund(self, refund_key: str, amount: int) -> Account:
        """With ``amount`` given back, once for the refund key. NotRefundable if less is left."""
        entry = _REFUND + refund_key
        if entry in self.entries:
            if self.entries[entry] != -amount:
                raise NotRefundable(f"this refund was made already, of {-self.entries[entry]}, not {amount}")
            return self
        if not 0 < amount <= self.left:
            raise NotRefundable(f"{self.left} are left of this charge, not {amount}")
        return self._with(entry, -amount)

    def void(self) -> Account:
        """With all that is left given back, and closed for good."""
        if self.state == "void":
            return self
        closed = replace(self, state="void")
        return closed._with(_VOID, -self.left) if self.left else closed

    def _decided(self, charge: CardCharge, limit: int) -> Account:
        decision = decide(charge, limit)
        known = replace(self, amount=charge.amount, currency=charge.currency, reason=decision.reason)
        if not decision.accepted:
            return replace(known, state="declined")
        return replace(known, state="captured")._with(_CHARGE, charge.amount)

    def _with(self, entry: str, amount: int) -> Account:
        return replace(self, entries=MappingProxyType({**self.entries, entry: amount}))

    def _must_match(self, charge: CardCharge) -> None:
        if (self.amount, self.currency) != (charge.amount, charge.currency):
            raise ChargeMismatch(f"{self.key} was charged already, with {self.amount} {self.currency}")
