"""Which payment provider this service runs with. A real one is another function here that returns its adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator

from atoll.data import Database
from shop_payments.acquirer import SimulatedAcquirer
from shop_payments.acquirer.postgres import PostgresVault
from shop_payments.patience import InTime
from shop_payments.provider import PaymentProvider
from shop_payments.settings import AcquirerSettings, PaymentSettings

_SILENCE = 2  # a lost answer lets its caller wait this many times as long as the caller is ready to


async def simulated_acquirer(settings: PaymentSettings, acquirer: AcquirerSettings) -> AsyncIterator[PaymentProvider]:
    """The simulated card acquirer, on connections of its own."""
    database = Database(acquirer.atoll_database_url, service="acquirer")
    await database.start()
    try:
        provider = SimulatedAcquirer(
            PostgresVault(database), limit=settings.card_limit, silence=_SILENCE * settings.provider_timeout
        )
        yield InTime(provider, settings.provider_timeout)
    finally:
        await database.stop()
