"""The payment service's own settings, each from the environment variable of its name in capitals."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class PaymentSettings(msgspec.Struct, frozen=True):
    """card_limit: minor units that the simulated acquirer takes in one charge (default: 100,000.00).

    provider_timeout: seconds that we wait for an answer of the provider; below the deadline of `Payments.charge` (2 s).
    """

    card_limit: Annotated[int, Meta(ge=0)] = 10_000_000
    provider_timeout: Annotated[float, Meta(gt=0, le=60)] = 1.0


class AcquirerSettings(msgspec.Struct, frozen=True):
    """Where the simulated acquirer keeps its books: in tables of its own in the service's database."""

    atoll_database_url: str

    def __repr__(self) -> str:
        return "AcquirerSettings()"  # the URL holds a password
