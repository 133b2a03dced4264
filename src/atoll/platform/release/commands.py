"""Running a program to its end: what it printed, and nothing left behind when the wait for it is given up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atoll.system import Trouble


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended, and what it printed."""

    code: int
    out: str
    error: str


async def run(argv: Sequence[str], folder: Path, variables: Mapping[str, str], limit: float) -> Done:
    """Run it in ``folder``. limit: seconds, then Trouble. Cancelled, or after the limit, it and its children are killed."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=folder, env=variables, stdin=nothing, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        raise Trouble(f"{argv[0]}: {error.strerror}; it cannot be run") from None
    try:
        async with asyncio.timeout(limit):
            out, error_out = await process.communicate()
    except TimeoutError:
        raise Trouble(f"'{' '.join(argv[:4])}' was not done after {limit:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return Done(process.returncode or 0, out.decode(errors="replace"), error_out.decode(errors="replace"))
