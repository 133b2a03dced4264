"""The order in which a service starts and stops (semantics.md of the design: live, ready and started are three things).

Stop: not ready -> wait for the balancers -> finish what is in flight within the grace time -> stop consumers after their
current message -> close pools.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

LAST_MOMENT = 0.5  # seconds that a component has to let go of what it holds, when those before it used the time up


class Component(Protocol):
    """Something with a life of its own inside a service: a pool, a broker connection, a relay, a consumer."""

    async def start(self) -> None:
        """Begins, without waiting for anything that may be away; it keeps trying by itself."""

    async def stop(self) -> None:
        """Finishes its current work and lets go of what it holds. Safe to call when not started."""


class Lifecycle:
    """Starts components in order and stops them in reverse; one that fails to stop does not keep the others from it."""

    def __init__(self, report: Callable[[str, BaseException], None]) -> None:
        self._report = report
        self._running: list[tuple[str, Callable[[], Awaitable[None]]]] = []

    async def start(self, name: str, component: Component) -> None:
        """Starts the component and remembers to stop it."""
        await component.start()
        self._running.append((name, component.stop))

    def on_stop(self, name: str, stop: Callable[[], Awaitable[None]]) -> None:
        """Remembers something else to stop."""
        self._running.append((name, stop))

    async def stop(self, grace: float) -> None:
        """Stops all in reverse order within ``grace`` seconds together; each has at least `LAST_MOMENT` of its own."""
        clock = asyncio.get_running_loop().time
        until = clock() + grace
        while self._running:
            name, stop = self._running.pop()
            try:
                async with asyncio.timeout(max(until - clock(), min(grace, LAST_MOMENT))):
                    await stop()
            except asyncio.CancelledError as error:
                if _is_being_cancelled():
                    raise
                self._report(name, error)  # it let its own task's cancellation out; the others must still be stopped
            except Exception as error:  # reported; the others must still be stopped
                self._report(name, error)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
