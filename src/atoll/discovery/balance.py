"""`Balancer`: which endpoint gets the next call. Power of two choices over peak EWMA latency."""

from __future__ import annotations

from atoll.discovery.registry import Registry


class Balancer:
    """Watches one service and picks among its endpoints. A `Component`: start it before calls, stop it after."""

    def __init__(self, service: str, registry: Registry) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Begins to watch, without waiting for an endpoint."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Ends watching."""
        raise NotImplementedError
