"""How long we wait for a provider: each call ends in time, whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from shop_contracts import ProviderUnavailable
from shop_payments.provider import CardCharge, Decision, PaymentProvider

T = TypeVar("T")


class InTime:
    """The provider, with ``seconds`` for each of its answers; then it is ProviderUnavailable."""

    def __init__(self, provider: PaymentProvider, seconds: float) -> None:
        self._provider = provider
        self._seconds = seconds

    async def check(self, charge: CardCharge) -> Decision:
        """See `PaymentProvider`."""
        return await self._answer(self._provider.check(charge))

    async def charge(self, charge: CardCharge) -> Decision:
        """See `PaymentProvider`."""
        return await self._answer(self._provider.charge(charge))

    async def refund(self, key: str, refund_key: str, amount: int) -> None:
        """See `PaymentProvider`."""
        await self._answer(self._provider.refund(key, refund_key, amount))

    async def void(self, key: str) -> None:
        """See `PaymentProvider`."""
        await self._answer(self._provider.void(key))

    async def _answer(self, asked: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                return await asked
        except TimeoutError:
            raise ProviderUnavailable(f"the acquirer did not answer in {self._seconds:g} s; ask again") from None
