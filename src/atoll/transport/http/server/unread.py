"""Replies that their clients do not read: they hold memory for as long as somebody lets them."""

from __future__ import annotations

import asyncio


class Unread:
    """Watches what waits to be sent on one connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting = 0
        self._since = 0.0

    def seconds(self, now: float) -> float:
        """For how long the client has taken nothing of it, as far as was seen at each call; 0 if nothing waits."""
        waiting = self._transport.get_write_buffer_size()
        if not waiting or waiting != self._waiting:
            self._since = now
        self._waiting = waiting
        return now - self._since
