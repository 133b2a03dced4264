"""What is in a wheel: its content as a hash, its version, and whether all of its modules are Python."""

from __future__ import annotations

import hashlib
from importlib.util import cache_from_source
from pathlib import Path
from zipfile import ZipFile

from atoll.system import Trouble


def content_of(wheel: Path) -> str:
    """A hash of the files in it, whatever the order and the times in the archive."""
    digest = hashlib.sha256()
    with ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith("/RECORD"):  # says again what the files are
                digest.update(f"{name}\0{hashlib.sha256(archive.read(name)).hexdigest()}\n".encode())
    return digest.hexdigest()


def version_of(wheel: Path) -> str:
    """As its file name has it, which the format demands."""
    return wheel.name.split("-")[1]


def require_compiled(wheel: Path, site: Path) -> None:
    """Trouble for the first module of an installed wheel that is no Python. site: the environment's site-packages.

    uv passes over what it cannot compile, so only modules without bytecode need a look.
    """
    with ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".py") and not Path(cache_from_source(str(site / name))).exists():
                _compile(name, archive.read(name))


def _compile(name: str, source: bytes) -> None:
    try:
        compile(source, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Trouble(f"{name}:{error.lineno or 1}: {error.msg}; correct the syntax") from None
    except ValueError as error:
        raise Trouble(f"{name}: {error}; correct the file") from None
