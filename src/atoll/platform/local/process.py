"""One process of the system: started in its own session, known by its identity, ended with its whole group."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from atoll.platform.local.folder import full_disk
from atoll.platform.local.gate import VARIABLE, Gate
from atoll.platform.local.identity import Identity, identify, is_alive
from atoll.platform.local.logs import begin_run, open_log, tail
from atoll.system import Trouble

MARK = "ATOLL_HOME"  # names the data folder in each process's environment, so that leftovers can be found


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a process. grace: seconds from the stop signal to SIGKILL. gate: where it waits before it begins."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 12.0
    gate: Gate | None = None


class Process:
    """A started process. Await `exited` (shielded) for its exit code (negative: the signal that ended it)."""

    def __init__(self, launch: Launch, popen: subprocess.Popen[bytes], identity: Identity, said_from: int) -> None:
        self.launch = launch
        self._said_from = said_from
        self.identity = identity
        self._popen = popen
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._watch()

    @classmethod
    def start(cls, launch: Launch) -> Process:
        """Start it; Trouble if the program is not there."""
        with full_disk(launch.log.parent):
            log = open_log(launch.log)
            said_from = begin_run(log, launch.name)
        environment = dict(launch.environment)
        passed: tuple[int, ...] = ()
        if launch.gate is not None and not launch.gate.is_open:
            passed = (launch.gate.reading,)
            environment[VARIABLE] = str(launch.gate.reading)
        try:
            popen = subprocess.Popen(
                launch.argv,
                env=environment,
                pass_fds=passed,
                cwd=launch.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise Trouble(
                f"{launch.name}: there is no program {launch.argv[0]!r}; install it, or correct the command"
            ) from None
        except PermissionError:
            raise Trouble(f"{launch.name}: {launch.argv[0]!r} may not be executed; make it executable") from None
        finally:
            os.close(log)
        return cls(launch, popen, identify(popen.pid) or Identity(popen.pid, "gone"), said_from)

    @property
    def pid(self) -> int:
        return self.identity.pid

    @property
    def running(self) -> bool:
        return not self.exited.done()

    def said(self, lines: int = 10) -> tuple[str, ...]:
        """The last lines that this very process wrote, repeated ones once."""
        return tuple(dict.fromkeys(tail(self.launch.log, lines, start=self._said_from)))

    async def stop(self) -> None:
        """The stop signal, the grace time, then SIGKILL; returns when nothing of the group is left."""
        if self.running:
            self._signal(self.launch.stop_signal)
            done, _ = await asyncio.wait([self.exited], timeout=self.launch.grace)
            if not done:
                self._signal(signal.SIGKILL)
        await asyncio.shield(self.exited)

    async def kill(self) -> None:
        """At once, without grace."""
        self.hurry()
        await asyncio.shield(self.exited)

    def tell(self, number: signal.Signals) -> None:
        """Tell the process something; nothing happens if it has ended."""
        if self._popen.returncode is None:
            os.kill(self.pid, number)

    def hurry(self) -> None:
        """Ask for no more grace."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # Until the exit is collected the pid stays ours, so this cannot hit another process.
        if self._popen.returncode is None:
            signal_group(self.pid, number)

    def _watch(self) -> None:
        """Learn of the exit: through a pidfd where there is one (Linux), else by a thread that waits."""
        loop = asyncio.get_running_loop()
        if not hasattr(os, "pidfd_open"):
            threading.Thread(target=self._wait_in_thread, args=(loop,), daemon=True).start()
            return
        handle = os.pidfd_open(self.pid)
        loop.add_reader(handle, self._collect, loop, handle)

    def _collect(self, loop: asyncio.AbstractEventLoop, handle: int) -> None:
        loop.remove_reader(handle)
        os.close(handle)
        self._finish()

    def _wait_in_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        # What it left in its group goes first: while the leader is not yet collected, the group's number is still ours.
        signal_group(self.pid, signal.SIGKILL)
        code = self._popen.wait()
        if not self.exited.done():
            self.exited.set_result(code)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal the process group that ``pid`` leads; nothing happens if it is gone."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return


async def end(identity: Identity, number: signal.Signals, grace: float) -> None:
    """End a process that is not our child (an earlier supervisor started it) with its group, if it still is that process."""
    if not is_alive(identity):
        return
    signal_group(identity.pid, number)
    if not await _gone(identity, grace):
        signal_group(identity.pid, signal.SIGKILL)
        await _gone(identity, 5.0)


async def _gone(identity: Identity, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while is_alive(identity):
        if loop.time() > until:
            return False
        await asyncio.sleep(0.02)  # not our child: there is no event to wait for everywhere
    return True


def how_it_ended(code: int) -> str:
    """``exit code 1`` or ``signal SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
