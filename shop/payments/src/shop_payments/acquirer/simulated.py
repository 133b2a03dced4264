"""The simulated acquirer behind the `PaymentProvider` port: its cards decide, its vault remembers."""

from __future__ import annotations

import asyncio

from shop_contracts import ProviderUnavailable
from shop_payments.acquirer.cards import FAILS_ONCE, TIMEOUT, decide
from shop_payments.acquirer.vault import Vault
from shop_payments.provider import CardCharge, Decision


class SimulatedAcquirer:
    """limit: minor units that one charge may have. silence: seconds that an answer that gets lost lets its caller wait."""

    def __init__(self, vault: Vault, *, limit: int, silence: float) -> None:
        self._vault = vault
        self._limit = limit
        self._silence = silence

    async def check(self, charge: CardCharge) -> Decision:
        """See `PaymentProvider`."""
        return decide(charge, self._limit)

    async def charge(self, charge: CardCharge) -> Decision:
        """See `PaymentProvider`."""
        account = await self._vault.change(charge.key, lambda account: account.charge(charge, self._limit))
        if account.attempts == 1 and charge.card == FAILS_ONCE and account.state == "new":
            raise ProviderUnavailable("the acquirer failed; nothing was booked")
        if account.attempts == 1 and charge.card == TIMEOUT:
            await asyncio.sleep(self._silence)
            raise ProviderUnavailable("the acquirer's answer got lost")
        return Decision(account.state == "captured", account.reason)

    async def refund(self, key: str, refund_key: str, amount: int) -> None:
        """See `PaymentProvider`."""
        await self._vault.change(key, lambda account: account.refund(refund_key, amount))

    async def void(self, key: str) -> None:
        """See `PaymentProvider`."""
        await self._vault.change(key, lambda account: account.void())
