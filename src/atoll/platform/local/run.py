"""A whole run: take the folder, read the model, start, tell, serve, stop. In the foreground or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import msgspec

from atoll.platform.local.folder import Folder
from atoll.platform.local.options import Options
from atoll.platform.local.progress import Failed, Progress, Ready, Report, Told
from atoll.platform.local.supervisor import Supervisor
from atoll.system import System, Trouble
from atoll.system.checks import check
from atoll.system.load import load_system

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def checked_system(file: Path) -> System:
    """The system of that file; Trouble, with all findings, if anything is wrong with it."""
    system = load_system(file)
    findings = check(system, file.parent)
    if findings:
        more = f" (and {len(findings) - 1} more; see 'atoll check')" if len(findings) > 1 else ""
        raise Trouble(f"{findings[0]}{more}", tuple(str(finding) for finding in findings[1:]))
    return system


async def run(file: Path, options: Options, report: Report, ready: Callable[[Ready], None]) -> None:
    """Run the system until a signal or ``atoll down`` ends it. Trouble when it does not start."""
    folder = Folder.beside(file)
    folder.create()
    with folder.locked(), folder.log("supervisor").open("a", encoding="utf-8", buffering=1) as log:
        system = checked_system(file)
        supervisor = Supervisor(system, file, options, _also_logged(report, log))
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, supervisor.request_stop)
        if await _started(supervisor):
            try:
                with contextlib.suppress(OSError):  # nobody has to read it
                    ready(Ready(supervisor.status(), system.hints))
                await supervisor.serve()
            finally:  # whatever happens, nothing is left running
                await supervisor.down()


async def _started(supervisor: Supervisor) -> bool:
    """Whether it is up; False if somebody asked to stop before that, and then it is down again."""
    starting = asyncio.create_task(supervisor.up())
    stopping = asyncio.create_task(supervisor.serve())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        stopping.cancel()
        starting.result()
        return True
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    return False


def _also_logged(report: Report, log: TextIO) -> Report:
    def both(progress: Progress) -> None:
        clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        # A full disk or a closed terminal must not stop what is being told about.
        with contextlib.suppress(OSError):
            log.write(f"{clock} {progress.name} {progress.stage} {progress.text}".rstrip() + "\n")
        with contextlib.suppress(OSError):
            report(progress)

    return both


class Pipe:
    """The way from a detached supervisor to the command that started it; silent once that is gone."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def send(self, told: Told) -> None:
        if self._handle < 0:
            return
        try:
            os.write(self._handle, msgspec.json.encode(told) + b"\n")
        except BrokenPipeError:
            self.close()

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def main() -> None:
    """``python -m atoll.platform.local.run FILE OPTIONS HANDLE``: what ``atoll up -d`` starts."""
    file, options, handle = Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Options), int(sys.argv[3])
    os.set_inheritable(handle, False)
    pipe = Pipe(handle)

    def ready(told: Ready) -> None:
        pipe.send(told)
        pipe.close()

    try:
        asyncio.run(run(file, options, pipe.send, ready))
    except Trouble as trouble:
        pipe.send(Failed(str(trouble), trouble.details))
        sys.exit(1)


if __name__ == "__main__":
    main()
