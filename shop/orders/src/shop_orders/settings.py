"""The order service's own settings, each from the environment variable of its name in capitals."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from atoll.sagas import days, minutes


class OrderSettings(msgspec.Struct, frozen=True):
    """orders_payment_timeout: seconds that an order may wait for its payment; then it is cancelled.

    orders_parcel_timeout: seconds that a return waits for the parcel; then it fails.
    """

    orders_payment_timeout: Annotated[float, Meta(gt=0)] = minutes(15)
    orders_parcel_timeout: Annotated[float, Meta(gt=0)] = days(14)
