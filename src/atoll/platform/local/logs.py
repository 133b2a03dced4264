"""The log files of the system's processes: written by the processes themselves, so that they outlive the supervisor."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

LIMIT = 10_000_000  # bytes of one file before it is rotated
MARK = "--- "  # how the line begins that is before each run's first
KEPT = 3  # older files beside it: NAME.log.1 ... NAME.log.3


def open_log(path: Path) -> int:
    """A file descriptor to append to. Appending, so that a rotation by truncation leaves no hole."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def make_private(path: Path) -> None:
    """A log that another program opens: made by us, so that nobody else reads it whatever that program's mode would be."""
    log = open_log(path)
    os.fchmod(log, 0o600)
    os.close(log)


def begin_run(log: int, name: str) -> int:
    """Write a mark, as a new process is about to write there; the offset at which its own lines begin."""
    clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    os.write(log, f"{MARK}{clock} {name} begins\n".encode())
    return os.fstat(log).st_size


def rotate(folder: Path, limit: int = LIMIT) -> None:
    """Copy each log above ``limit`` bytes aside and empty it: its writer keeps the file open, so it is never renamed."""
    for path in folder.glob("*.log"):
        if path.stat().st_size > limit:
            _shift(path)
            shutil.copy(path, _older(path, 1))  # with its mode
            os.truncate(path, 0)


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _shift(path: Path) -> None:
    for number in range(KEPT, 1, -1):
        if _older(path, number - 1).exists():
            _older(path, number - 1).replace(_older(path, number))


def tail(path: Path, lines: int = 10, size: int = 65_536, start: int = 0) -> tuple[str, ...]:
    """The last lines of a log, none before the offset ``start``; none if there is no such file.

    At most ``size`` bytes are read. A log that is shorter than ``start`` was rotated, and is read from its beginning.
    """
    try:
        with path.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(start if start <= end else 0, end - size))
            text = log.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ()
    return tuple(line for line in text.splitlines() if line.strip())[-lines:]


class Follower:
    """Reads what is added to some logs. Start it at the end of each, or ``lines`` before."""

    def __init__(self) -> None:
        self._places: dict[Path, int] = {}

    def begin(self, path: Path) -> None:
        """Follow from the present end."""
        self._places[path] = path.stat().st_size if path.exists() else 0

    def new_lines(self, paths: list[Path]) -> Iterator[tuple[Path, str]]:
        """Whole lines added since the last call; a file that was rotated is read from its beginning."""
        for path in paths:
            if not path.exists():
                continue
            place = self._places.get(path, 0)
            with path.open("rb") as log:
                if os.fstat(log.fileno()).st_size < place:
                    place = 0
                log.seek(place)
                block = log.read()
            whole = block[: block.rfind(b"\n") + 1]
            self._places[path] = place + len(whole)
            for line in whole.splitlines():
                yield path, line.decode("utf-8", "replace")
