"""A service's migrations: a step of its own before its instances start, left out when its database has them already."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import atoll
from atoll.platform.local.gate import Gate
from atoll.platform.local.ledger import Ledger
from atoll.platform.local.process import Launch, Process, how_it_ended
from atoll.platform.local.programs import TREE, Program
from atoll.platform.local.refusals import refusal
from atoll.platform.local.wiring import Wiring
from atoll.system import Service, Trouble

LIMIT = 300.0  # seconds
_IGNORED = frozenset({"__pycache__", ".git", ".venv", "node_modules", "tests"})


async def migrate(service: Service, wiring: Wiring, ledger: Ledger, program: Program, gate: Gate | None = None) -> None:
    """Run the release's ``atoll migrate``; Trouble, with the last lines of its log, when it fails.

    gate: opened when the database is there; the process may be started before.
    """
    if not program.migrate:
        return
    known, now = await asyncio.to_thread(_fingerprint_of, service, wiring, program)
    if ledger.state.migrated.get(known) == now:
        return
    await _run(service, wiring, program, gate)
    ledger.state.migrated[known] = now
    ledger.save()


def _fingerprint_of(service: Service, wiring: Wiring, program: Program) -> tuple[str, str]:
    """Under which name, and what; a release never changes."""
    if program.release == TREE:
        return service.name, fingerprint(wiring.root / service.source)
    return f"{service.name}@{program.release}", program.release


def forget(service: str, ledger: Ledger) -> None:
    """The service's database is a new one."""
    for known in [known for known in ledger.state.migrated if known.partition("@")[0] == service]:
        del ledger.state.migrated[known]


async def _run(service: Service, wiring: Wiring, program: Program, gate: Gate | None) -> None:
    name = f"{service.name}-migrate"
    log = wiring.folder.log(name)
    environment = wiring.environment(service, name, 0, program)
    process = Process.start(Launch(name, program.migrate, environment, program.folder, log, gate=gate))
    try:
        async with asyncio.timeout(LIMIT):
            code = await asyncio.shield(process.exited)
    except TimeoutError:
        raise Trouble(f"{name}: not done after {LIMIT:.0f} s; see {log}") from None
    finally:
        if process.running:
            await process.kill()
    if code != 0:
        said = process.said()
        if refused := refusal(service, said):
            raise Trouble(refused, (f"see {log}",))
        last = f": {said[-1]}" if said else ""
        raise Trouble(f"{name} ended with {how_it_ended(code)}{last}; see {log}", said)


def fingerprint(source: Path) -> str:
    """Changes whenever a file of the service, or of the framework, does: then the migrations are run again (it is safe to)."""
    digest = hashlib.sha256()
    for root in (source, Path(atoll.__file__).parent):
        for line in sorted(_files(root)):
            digest.update(line.encode())
    return digest.hexdigest()


def _files(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _IGNORED and not name.startswith(".")]
        for name in files:
            if name.endswith((".py", ".sql", ".mako", ".ini", ".toml")):
                stat = Path(folder, name).stat()
                yield f"{folder}/{name}:{stat.st_size}:{stat.st_mtime_ns}"
