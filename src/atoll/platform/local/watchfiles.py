"""Which service a changed file belongs to, and the watching of the files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from atoll.system import System

CODE = frozenset(
    {
        ".py",
        ".sql",
        ".toml",
        ".yaml",
        ".yml",
        ".js",
        ".mjs",
        ".ts",
        ".go",
        ".rs",
        ".rb",
        ".php",
        ".java",
        ".html",
        ".j2",
        ".env",
    }
)
SYSTEM_FILE = "system.py"
_IGNORED = frozenset({"__pycache__", "node_modules", "tests", "site-packages", "target", "build", "dist"})


def concerned(system: System, root: Path, changed: Iterable[Path]) -> frozenset[str]:
    """The services to reload. A file under a service's source is that service's; other code (contracts, say) is everybody's.

    system.py itself is nobody's: a change of the model is applied by the next ``atoll up``.
    """
    names: set[str] = set()
    for path in changed:
        if path.suffix not in CODE or path == root / SYSTEM_FILE or _ignored(path, root):
            continue
        owners = {service.name for service in system.services if service.source and _under(path, root / service.source)}
        names |= owners or {service.name for service in system.services if not service.command}
    return frozenset(names)


def _under(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder.resolve())


def _ignored(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts if path.is_relative_to(root) else path.parts[-3:]
    return any(part in _IGNORED or part.startswith(".") for part in parts)


async def changes(system: System, root: Path, stop: asyncio.Event) -> AsyncIterator[frozenset[Path]]:
    """The files that changed, as they change, in small batches."""
    from watchfiles import DefaultFilter, awatch

    there = _folders(system, root)
    wanted = DefaultFilter()
    async for batch in awatch(*there, watch_filter=wanted, stop_event=stop, step=50, debounce=200, recursive=True):
        yield frozenset(Path(path) for _, path in batch)


def _folders(system: System, root: Path) -> list[Path]:
    """That of system.py and those of sources elsewhere; none inside another."""
    folders = {root.resolve(), *((root / service.source).resolve() for service in system.services)}
    inside = {folder for folder in folders if any(other in folder.parents for other in folders)}
    return [folder for folder in folders - inside if folder.is_dir()]
