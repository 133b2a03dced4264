"""The layer that opens a unit of work for each request."""

from __future__ import annotations

from atoll.data.database import Database
from atoll.service import Layer


def transactional(database: Database) -> Layer:
    """Opens a `Work` for each request, in ``request.scope[Work]``; commits when the handler returns."""
    raise NotImplementedError
