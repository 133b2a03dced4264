"""What git knows of the files that a release is made of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from atoll.platform.release.commands import run

_LIMIT = 30.0  # seconds


async def commit_of(folder: Path, made_of: Iterable[Path]) -> tuple[str, bool]:
    """The full hash of the commit, and whether any of ``made_of`` differs from it; ("", False) outside of git."""
    if shutil.which("git") is None:
        return "", False
    head = await run(("git", "rev-parse", "HEAD"), folder, os.environ, _LIMIT)
    if head.code:
        return "", False
    paths = [str(path) for path in made_of if path.exists()]
    changed = await run(("git", "status", "--porcelain", "--", *paths), folder, os.environ, _LIMIT)
    return head.out.strip(), bool(changed.code or changed.out.strip())


def sources_of(package: Path) -> tuple[Path, ...]:
    """What of a package's folder a release is made of."""
    code = package / "src"
    return (code, package / "pyproject.toml") if code.is_dir() else (package,)
