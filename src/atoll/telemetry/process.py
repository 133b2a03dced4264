"""What the process itself costs, and how late its event loop runs."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from pathlib import Path

from atoll.service.lifecycle import end
from atoll.telemetry.metrics import Metrics

EVERY = 0.5  # seconds between two looks at how late the event loop is
_LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class ProcessMetrics:
    """A `Component`: process.* and the lag of the event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._lag = metrics.histogram("atoll.event_loop.lag", "How late the event loop wakes who slept.", bounds=_LAGS)
        metrics.gauge("process.memory.usage", "Physical memory in use.", unit="By", read=_memory)
        metrics.gauge("process.cpu.time", "Processor time used so far.", unit="s", read=time.process_time)
        started = metrics.gauge("process.start_time", "When the process began, in seconds since 1970.", unit="s")
        started.set(metrics.started / 1e9)  # by which what was counted before a first look is known to be new
        metrics.gauge("process.open_file_descriptor.count", "Open files and sockets.", read=_files)
        metrics.gauge("cpython.gc.uncollected", "Objects that wait for the garbage collector.", read=_garbage)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._look(), name="telemetry: event loop")

    async def stop(self) -> None:
        """Looks no more."""
        await end(self._task)

    async def _look(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(EVERY)
            self._lag.record(max(0.0, time.monotonic() - before - EVERY))


def _memory() -> float:
    pages = Path("/proc/self/statm")
    if pages.exists():
        return float(int(pages.read_text(encoding="ascii").split()[1]) * resource.getpagesize())
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # without /proc only the most that it ever was is known
    return float(most if sys.platform == "darwin" else most * 1024)


def _files() -> float:
    for folder in ("/proc/self/fd", "/dev/fd"):
        if Path(folder).exists():
            return float(sum(1 for _ in Path(folder).iterdir()))
    return 0.0


def _garbage() -> float:
    return float(sum(gc.get_count()))
