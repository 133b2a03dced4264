"""The folder of a foreign service, copied as it is."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from atoll.system import Trouble

_LEFT_OUT = (".git", ".hg", ".atoll", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache")


def copy_folder(source: Path, to: Path) -> str:
    """Copy the folder, with what its program installed in it (node_modules, say); a hash of what was copied.

    Trouble for a link that leads out of it: what lies there would not be part of the release.
    """
    for link in _links(source):
        if not _inside(link, source):
            raise Trouble(f"{link} leads out of {source}; put what it means into the folder, or remove the link")
    try:
        shutil.copytree(source, to, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    except shutil.Error as error:
        path, _, why = error.args[0][0]
        raise Trouble(f"{path} cannot be copied: {why}") from None
    return _content_of(to)


def _content_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            digest.update(f"link {name}\0{path.readlink()}\n".encode())
        elif path.is_file():
            runs = os.access(path, os.X_OK)
            digest.update(f"file {name}\0{runs} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _links(source: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(source):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        yield from (path for name in (*folders, *files) if (path := Path(folder, name)).is_symlink())


def _inside(link: Path, source: Path) -> bool:
    """Whether the link is relative and ends up in the folder; an absolute one would still mean the original."""
    target = link.readlink()
    return not target.is_absolute() and Path(os.path.normpath(link.parent / target)).is_relative_to(source)
