"""Who a process is: its pid and when it started, so that a pid that the system gave to another is never taken for ours."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import msgspec

_START_FIELD = 19  # starttime is field 22 of /proc/PID/stat (proc(5)); 19 after pid, comm and state's place
_PROC = Path("/proc")


class Identity(msgspec.Struct, frozen=True):
    """started: opaque; equal only for the same process of the same boot."""

    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """The identity of the process that has this pid now; None if there is none (a zombie counts as none)."""
    started = _started_linux(pid) if sys.platform == "linux" else _started_elsewhere(pid)
    return None if started is None else Identity(pid, started)


def is_alive(identity: Identity) -> bool:
    """Whether that very process still runs."""
    return identify(identity.pid) == identity


def _started_linux(pid: int) -> str | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold spaces and parentheses; what follows the last one is plain.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    return f"{_boot()}:{fields[_START_FIELD]}"


@cache
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _started_elsewhere(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.NoSuchProcess:
        return None


def marked(variable: str, value: str) -> list[Identity]:
    """The processes that were started with ``variable=value`` in their environment; those of other users don't show.

    It finds what the state file does not know: processes of a supervisor that died before it could write them down.
    """
    if sys.platform == "linux":
        pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
        found = [pid for pid in pids if f"{variable}={value}".encode() in _environment_linux(pid)]
    else:
        found = _marked_elsewhere(variable, value)
    return [identity for pid in found if pid != os.getpid() and (identity := identify(pid))]


def _environment_linux(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _marked_elsewhere(variable: str, value: str) -> list[int]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == value:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's
    return found
