"""Servers that no wheel brings: a script beside this file fetches them into a cache, once, and runs them from there."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from atoll.platform.local.folder import Folder
from atoll.platform.local.process import MARK, Launch, Process
from atoll.platform.local.surroundings import of_a_part
from atoll.system import Trouble

SCRIPTS = Path(__file__).parent / "scripts"
LIMIT = 600.0  # seconds for fetching


def script(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line of a server's script. By `sh`, for an installation may lose the file's mode."""
    return ("sh", str(SCRIPTS / name), *arguments)


def environment(folder: Folder) -> dict[str, str]:
    """Of the script and its server: the usual, where the cache and Java are; times in UTC."""
    wanted = {name: os.environ[name] for name in ("ATOLL_SERVERS", "JAVA_HOME") if name in os.environ}
    return {**of_a_part(os.environ), **wanted, MARK: str(folder.path), "TZ": "UTC"}


def look(name: str) -> str:
    """Where the server is, or how it will be fetched; Trouble if this machine cannot have it."""
    done = subprocess.run(script(name, "look"), check=False, capture_output=True, text=True)
    if done.returncode:
        raise Trouble(_refusal(done.stderr.splitlines()[-1:] or [f"{name}: it cannot be had here"]))
    return done.stdout.strip()


async def install(name: str, folder: Folder) -> None:
    """Fetch it if it is not there; Trouble, with the script's own line, if that fails."""
    log = folder.log(f"{name}-install")
    process = Process.start(Launch(f"{name}-install", script(name, "install"), environment(folder), folder.path, log))
    try:
        async with asyncio.timeout(LIMIT):
            code = await asyncio.shield(process.exited)
    except TimeoutError:
        raise Trouble(f"{name}: it was not fetched within {LIMIT:.0f} s; see {log}") from None
    finally:
        if process.running:
            await process.kill()
    if code:
        raise Trouble(_refusal(process.said(1) or (f"{name}: it cannot be had here",)))


def _refusal(said: list[str] | tuple[str, ...]) -> str:
    return f"{said[-1]}; put that right, or give the address of a running one in system.py"
