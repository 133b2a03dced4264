"""Runs one service until it is told to stop: signals, the drain sequence, and one line for whatever prevents the start."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any

import uvloop

from atoll.serve.assemble import Running, assemble
from atoll.serve.environment import Environment, read_environment
from atoll.serve.load import load_service
from atoll.telemetry import configure_logging

log = logging.getLogger("atoll.serve")
OVERTIME = 1.5  # seconds on top of the grace time for tasks that were cancelled, and neither end nor let others end
# Net allocations before young objects are looked through. At CPython's own 700 that was 16 % of the order service's time, because
# requests in flight look like growth; nearly all memory is freed by counting references.
YOUNG = 20_000
HURRY = 5.0  # seconds from a second signal to the end, whatever still runs
LEAVE_TIMEOUT = 2.0  # seconds for the registry to pass on that this instance leaves; one that is away holds nobody up


def serve(target: str) -> None:
    """Serves ``package.module:service`` until SIGTERM or SIGINT; CannotServe says in one line what prevents it."""
    environment = read_environment(os.environ)
    service = load_service(target)
    configure_logging(form=environment.log, level=environment.log_level, fields=_identity(environment, service.name))
    uvloop.run(_serve(assemble(service, environment, os.environ), environment))


async def _serve(running: Running, environment: Environment) -> None:
    stop = _Stop(running)
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.signalled)
    try:
        if not await _started(running, stop):
            return
        spare_collector()
        log.info("ready on %s", running.url)
        await stop.asked.wait()
        await _drain(running, environment, stop)
    finally:
        loop.call_later(environment.grace + OVERTIME, _end_at_once)
        await running.stop()


def spare_collector() -> None:
    """To be called once all parts run: what is there now stays, and what comes is looked through less often."""
    gc.collect()
    gc.freeze()  # looking through all of it, again and again, is a pause of milliseconds
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


async def _started(running: Running, stop: _Stop) -> bool:
    """Whether the start came to its end; a signal ends one that waits for something, too."""
    starting, asked = asyncio.create_task(running.start()), asyncio.create_task(stop.asked.wait())
    await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if starting.done():
        await starting
        return True
    log.info("told to stop before the start was done")
    starting.cancel()
    await asyncio.wait([starting])
    return False


def _end_at_once() -> None:
    """Nothing in Python ends a task that does not let itself be cancelled: the process goes, and the task with it."""
    left = [task.get_name() for task in asyncio.all_tasks() if not task.done()]
    log.error("%d tasks were cancelled and do not end; the process does: %s", len(left), ", ".join(left[:5]))
    logging.shutdown()
    os._exit(1)


class _Stop:
    """What signals ask for. asked: to stop, in order. hurried: asked twice, so not to wait for what is in flight."""

    def __init__(self, running: Running) -> None:
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()
        self._running = running

    def signalled(self) -> None:
        if self.asked.is_set() and not self.hurried.is_set():
            log.warning("told to stop a second time: what is in flight is cut off")
            self.hurried.set()
            self._running.hurry()
            asyncio.get_running_loop().call_later(HURRY, _end_at_once)
        self.asked.set()


async def _drain(running: Running, environment: Environment, stop: _Stop) -> None:
    """Not ready first; then out of the registry; then time for the balancers to notice. A second signal ends the wait."""
    log.info("draining for %g s", environment.drain_wait)
    running.health.draining = True
    await _unless(stop.hurried, running.leave(), LEAVE_TIMEOUT)
    await _unless(stop.hurried, asyncio.sleep(environment.drain_wait), environment.drain_wait)


async def _unless(hurried: asyncio.Event, wait: Coroutine[Any, Any, None], seconds: float) -> None:
    """``wait``, for so many seconds at the most, and not when somebody is in a hurry."""
    waiting, hurry = asyncio.create_task(wait), asyncio.create_task(hurried.wait())
    try:
        await asyncio.wait([waiting, hurry], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        hurry.cancel()
        await asyncio.gather(waiting, hurry, return_exceptions=True)


def _identity(environment: Environment, name: str) -> dict[str, str]:
    service = environment.service or name
    return {
        "service": service,
        "instance": environment.instance or f"{service}-{os.getpid()}",
        "release": environment.release,
    }
