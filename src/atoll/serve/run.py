"""Runs one service until it is told to stop: signals, the drain sequence, and one line for whatever prevents the start."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import uvloop

from atoll.serve.assemble import Running, assemble
from atoll.serve.environment import Environment, read_environment
from atoll.serve.load import load_service
from atoll.telemetry import configure_logging

log = logging.getLogger("atoll.serve")


def serve(target: str) -> None:
    """Serves ``package.module:service`` until SIGTERM or SIGINT; CannotServe says in one line what prevents it."""
    environment = read_environment(os.environ)
    service = load_service(target)
    configure_logging(form=environment.log, level=environment.log_level, fields=_identity(environment, service.name))
    uvloop.run(_serve(assemble(service, environment, os.environ), environment))


async def _serve(running: Running, environment: Environment) -> None:
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, told_to_stop.set)
    try:
        await running.start()
        log.info("ready on %s", running.url)
        await told_to_stop.wait()
        await _drain(running, environment, told_to_stop)
    finally:
        await running.stop()


async def _drain(running: Running, environment: Environment, told_to_stop: asyncio.Event) -> None:
    """Not ready first; then time for the balancers to notice. A second signal ends the wait."""
    log.info("draining for %g s", environment.drain_wait)
    running.health.draining = True
    told_to_stop.clear()
    try:
        async with asyncio.timeout(environment.drain_wait):
            await told_to_stop.wait()
    except TimeoutError:
        log.debug("the balancers had their time")


def _identity(environment: Environment, name: str) -> dict[str, str]:
    service = environment.service or name
    return {
        "service": service,
        "instance": environment.instance or f"{service}-{os.getpid()}",
        "release": environment.release,
    }
