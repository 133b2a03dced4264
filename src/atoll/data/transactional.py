"""The layer that opens a unit of work for each request."""

from __future__ import annotations

from typing import Any

from atoll.data.database import Database
from atoll.data.work import Work
from atoll.service import Handler, Layer, Request


def transactional(database: Database) -> Layer:
    """Opens a `Work` for each request, in ``request.scope[Work]``; commits when the handler returns, else rolls back."""

    def layer(handler: Handler) -> Handler:
        async def handle(request: Request) -> Any:
            async with database.work() as work:
                request.scope[Work] = work
                return await handler(request)

        return handle

    return layer
