"""The layer that opens a unit of work for each request."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from atoll.data.database import Database
from atoll.data.deferred import StreamConflict
from atoll.data.work import Work
from atoll.service import Handler, Layer, Request

AGAIN = (
    5  # tries of what may be repeated, while others change the same aggregate; each try had a winner, so this is rare
)


def transactional(database: Database, *, tries: int = 1) -> Layer:
    """Opens a `Work` for each request, in ``request.scope[Work]``; commits when the handler returns, else rolls back.

    tries: how often the handler runs, each time in a new unit of work, when it meets a `StreamConflict`: somebody else
    appended to the same stream first. Only for operations that may be repeated.
    """

    def layer(handler: Handler) -> Handler:
        async def handle(request: Request) -> Any:
            for _ in range(tries - 1):
                with suppress(StreamConflict):
                    return await once(request)
            return await once(request)

        async def once(request: Request) -> Any:
            async with database.work() as work:
                request.scope[Work] = work
                return await handler(request)

        return handle

    return layer
