"""Reloads the services whose files changed, never with stale bytecode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from atoll.platform.local.telling import Teller
from atoll.platform.local.watchfiles import SYSTEM_FILE, concerned
from atoll.system import System
from atoll.system.bytecode import forget


async def reload_changed(
    system: System,
    root: Path,
    batches: AsyncIterator[frozenset[Path]],
    replace: Callable[[str], Awaitable[None]],
    teller: Teller,
) -> None:
    """Replace what each batch of changed files concerns; a failure is said, and the old instances stay."""
    model = await asyncio.to_thread((root / SYSTEM_FILE).resolve)
    async for batch in batches:
        if model in batch:
            teller.note("atoll", f"{SYSTEM_FILE} changed; 'atoll down' and 'atoll up' apply it")
        names = concerned(system, root, batch)
        try:
            await asyncio.to_thread(forget, batch)
        except OSError as error:
            teller.failure("atoll", error, "; remove that file, or the change may not show")
        for name in sorted(names):
            try:
                await replace(name)
            except Exception as error:  # one failure must not end the watching
                teller.failure(name, error, "; the old one stays: correct the code and save it")
