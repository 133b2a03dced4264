"""Money as whole minor units (cents) with its ISO 4217 currency: no floats, no mixing of currencies."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

MAX_MINOR_UNITS = 2**53 - 1  # what every JSON reader holds exactly (RFC 8259, section 6)

MinorUnits = Annotated[
    int, Meta(ge=-MAX_MINOR_UNITS, le=MAX_MINOR_UNITS, description="Whole minor units, such as cents")
]
Amount = Annotated[int, Meta(ge=0, le=MAX_MINOR_UNITS, description="Whole minor units (cents), not negative")]
# The length is not idle: $ also matches before a line break at the end.
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3, description="ISO 4217 code, such as EUR")]


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were added, subtracted or compared."""


class Money(Struct, frozen=True):
    """An amount in one currency. ``Money(1999, "EUR")`` is 19.99 euro."""

    amount: MinorUnits
    currency: Currency

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not mix; convert one of them first")
        return other.amount

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, factor: int) -> Money:
        if not isinstance(factor, int):
            return NotImplemented  # a fraction of a cent needs a rule for rounding, and that is the caller's business
        return Money(self.amount * factor, self.currency)

    __rmul__ = __mul__

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)
