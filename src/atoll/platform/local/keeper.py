"""Keeps one process running: starts it, waits until it is ready, and brings it back when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from atoll.platform.local.process import Launch, Process, how_it_ended
from atoll.system import Trouble

Phase = Literal["waiting", "starting", "ready", "restarting", "stopping", "stopped", "failed"]
Probe = Callable[[], Awaitable[bool]]

FIRST_PAUSE = 0.1  # seconds before the first restart; doubles
LONGEST_PAUSE = 10.0
STEADY = 10.0  # seconds of being ready after which the pause is back at the first
START_LIMIT = 60.0  # seconds to become ready
FASTEST_PROBE = 0.005
SLOWEST_PROBE = 0.1


@dataclass(frozen=True, slots=True)
class Care:
    """What to keep. attempts: how often the first start is tried before it counts as failed.

    before: awaited before each start but the first (to make way for it). watch: told of each change of phase.
    refusal: finds, in what the process wrote before it ended, the one line with which it gave up (empty: there is none); such a
    process is not tried again before the first start counts as failed. limit: seconds to become ready; who is not ready by
    then at its first start does not get another.
    """

    launch: Launch
    probe: Probe
    watch: Callable[[Keeper], None]
    attempts: int = 2
    before: Callable[[], Awaitable[None]] | None = None
    refusal: Callable[[tuple[str, ...]], str] = lambda _: ""
    limit: float = START_LIMIT


class Keeper:
    """One process that is kept running until `stop`."""

    def __init__(self, care: Care) -> None:
        self.care = care
        self.phase: Phase = "waiting"
        self.restarts = 0
        self.process: Process | None = None
        self.trouble = ""
        self._refused = ""
        self._hopeless = False  # whether another attempt must end the same way
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()  # the first start is decided: ready or failed

    @property
    def name(self) -> str:
        return self.care.launch.name

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None and self.process.running else None

    async def start(self) -> None:
        """Returns when it is ready for the first time; Trouble, with the last lines of its log, if it does not become so."""
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.name}")
        await self._settled.wait()
        if self.phase == "failed":
            raise self._failure()

    def _failure(self) -> Trouble:
        if self._refused:
            return Trouble(self._refused, (f"see {self.care.launch.log}",))
        if self.process is None:
            return Trouble(f"{self.name}: {self.trouble}")
        return Trouble(f"{self.name}: {self.trouble}; see {self.care.launch.log}", self.process.said())

    async def stop(self) -> None:
        """End it and stop keeping it."""
        if self.phase in {"stopped", "waiting"} and self._task is None:
            return
        self._enter("stopping")
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self.process is not None:
            await self.process.stop()
        self._enter("stopped")

    async def restart(self) -> None:
        """End the process; the keeper brings it back at once. Returns when it is ready again."""
        await self.stop()
        self._settled.clear()
        await self.start()

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        attempt = 0
        while True:
            attempt += 1
            began = asyncio.get_running_loop().time()
            became_ready = await self._run_once()
            if not self._settled.is_set() and (self._hopeless or attempt >= self.care.attempts):
                self._enter("failed")
                self._settled.set()
                return
            if became_ready and asyncio.get_running_loop().time() - began > STEADY:
                pause = FIRST_PAUSE
            self.restarts += 1
            self._enter("restarting")
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, LONGEST_PAUSE)
            if self.care.before is not None:
                await self.care.before()

    async def _run_once(self) -> bool:
        """Start it and wait for its end; whether it became ready."""
        self._enter("starting")
        try:
            process = self.process = Process.start(self.care.launch)
        except (Trouble, OSError) as trouble:
            self._hopeless = True
            self.trouble = str(trouble).removeprefix(f"{self.name}: ")
            return False
        self._enter("starting")  # once more: now it has a pid
        ready = await self._until_ready(process)
        if ready:
            self.trouble = ""
            self._enter("ready")
            self._settled.set()
            self.trouble = f"ended with {how_it_ended(await asyncio.shield(process.exited))}"
        return ready

    async def _until_ready(self, process: Process) -> bool:
        pause = FASTEST_PROBE
        loop = asyncio.get_running_loop()
        until = loop.time() + self.care.limit
        while process.running:
            if await self.care.probe():
                return process.running
            if loop.time() > until:
                self.trouble = f"not ready after {self.care.limit:g} s"
                self._hopeless = self.care.limit != START_LIMIT
                await process.stop()
                return False
            await asyncio.wait([process.exited], timeout=pause)
            pause = min(pause * 1.3, SLOWEST_PROBE)
        self._refused = self.care.refusal(process.said())
        self._hopeless = bool(self._refused)
        self.trouble = self._refused or f"ended with {how_it_ended(process.exited.result())} before it was ready"
        return False

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.care.watch(self)
