"""What processes used: CPU seconds and memory, of each with its children."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

SAMPLE_EVERY = 1.0  # seconds; reading a process's memory costs the machine some milliseconds


def cpu_seconds(processes: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds so far, of living processes and of their children that have ended."""
    found = {}
    for name, pid in processes.items():
        found[name] = sum(sum(process.cpu_times()[:4]) for process in family(pid))
    return found


def family(pid: int) -> list[psutil.Process]:
    """The process and all below it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


class Peak:
    """bytes: the most that all of them held at once; a page that several share counts once (PSS)."""

    def __init__(self) -> None:
        self.bytes = 0

    def look(self, processes: Mapping[str, int]) -> None:
        """Takes one sample."""
        total = 0
        for pid in processes.values():
            with suppress(psutil.NoSuchProcess):
                total += sum(resident(process) for process in family(pid))
        self.bytes = max(self.bytes, total)


def resident(process: psutil.Process) -> int:
    """Its share of memory in bytes; 0 if it has ended."""
    try:
        memory = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0
    return int(getattr(memory, "pss", memory.rss))


def own_memory(process: psutil.Process) -> int:
    """As `resident`, without what is mapped from files: its share of a library falls when a stranger runs the same one."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:  # it has ended, or there is no such file on this system
        return resident(process)
    kibibytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines[1:])}
    return (kibibytes["Pss_Anon"] + kibibytes["Pss_Shmem"]) * 1024


@contextmanager
def watched(processes: Mapping[str, int]) -> Iterator[Peak]:
    """Samples until the block ends."""
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_EVERY):
            peak.look(processes)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
        peak.look(processes)
