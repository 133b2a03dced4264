"""The order in which a service starts and stops (semantics.md of the design: live, ready and started are three things).

Stop: not ready -> deregister -> wait for the balancers -> finish what is in flight within the grace time -> stop consumers
after their current message -> close pools.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

MOMENT = 0.05  # seconds that each component has in any case, also without any grace time
LAST_MOMENT = 0.5  # seconds that a component has to let go of what it holds, when those before it used the time up
log = logging.getLogger("atoll.service")


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancels them, and returns when they are over, however they ended.

    A cancellation of the caller comes through, unlike with ``suppress(CancelledError)`` around ``await task``.
    """
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


class Component(Protocol):
    """Something with a life of its own inside a service: a pool, a broker connection, a relay, a consumer."""

    async def start(self) -> None:
        """Begins, without waiting for anything that may be away; it keeps trying by itself."""

    async def stop(self) -> None:
        """Finishes its current work and lets go of what it holds. Safe to call when not started.

        When it is cancelled the time is over: it lets go at once.
        """


class Lifecycle:
    """Starts components in order and stops them in reverse; one that fails to stop does not keep the others from it.

    report: told which one failed to stop, and how. TimeoutError: its time was over, and it was cut off.
    """

    def __init__(self, report: Callable[[str, BaseException], None]) -> None:
        self._report = report
        self._running: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._until = float("inf")
        self._patience: asyncio.Timeout | None = None

    async def start(self, name: str, component: Component) -> None:
        """Starts the component and remembers to stop it."""
        await component.start()
        self._running.append((name, component.stop))

    def on_stop(self, name: str, stop: Callable[[], Awaitable[None]]) -> None:
        """Remembers something else to stop."""
        self._running.append((name, stop))

    async def stop(self, grace: float) -> None:
        """Stops all in reverse order within ``grace`` seconds together; each has at least `LAST_MOMENT` of its own,
        or as long as the grace time if that is shorter, but `MOMENT`."""
        clock = asyncio.get_running_loop().time
        self._until = min(self._until, clock() + grace)
        least = min(max(grace, MOMENT), LAST_MOMENT)
        while self._running:
            name, stop = self._running.pop()
            try:
                async with asyncio.timeout(max(self._until - clock(), least)) as self._patience:
                    await stop()
                log.debug("stopped: %s", name)
            except asyncio.CancelledError as error:
                if _is_being_cancelled():
                    raise
                self._report(name, error)  # it let its own task's cancellation out; the others must still be stopped
            except Exception as error:  # reported; the others must still be stopped
                self._report(name, error)
            finally:
                self._patience = None

    def hurry(self) -> None:
        """The grace time is over now: what is being stopped is cut off, and the others have their last moment each."""
        self._until = asyncio.get_running_loop().time()
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self._until)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
