"""uv, which reads the lock, builds the wheels and fills the environments.

Every command is tried from uv's cache alone first: what was installed once on this machine is built again without a network.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atoll.platform.release.commands import Done, run
from atoll.platform.release.disk import no_space
from atoll.system import Trouble

LOCK = "uv.lock"
_LIMIT = 900.0  # seconds: a slow network and a large wheel
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^]]*\])?( @ |==)")
_OF_ANOTHER = frozenset({"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX"})  # environments that are not meant
_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_NO_SPACE = "No space left on device"


@dataclass(frozen=True, slots=True)
class Locked:
    """What the lock says of a package. requirements: all that comes from an index, pinned and with hashes, one text.

    packages: the folders (or wheels) on this machine that it is made of: itself, and what it needs by path.
    """

    requirements: str
    packages: tuple[Path, ...]


async def read_lock(project: Path) -> Locked:
    """What ``uv.lock`` pins for the package in that folder. Trouble if there is no lock, or it does not fit pyproject.toml."""
    root = _root_of(project)
    question = ("export", "--project", str(project), "--no-dev", "--no-editable", "--no-header", "--no-annotate")
    # uv compares the whole workspace with its lock; where members are missing, it cannot, and the lock is taken as it is.
    how = "--frozen" if _members_missing(root) else "--locked"
    exported = await _uv(project, *question, how)
    lines = exported.splitlines()
    local = [line for line in lines if line and not line[0].isspace() and not _REQUIREMENT.match(line)]
    requirements = "\n".join(line for line in lines if line not in local)
    return Locked(requirements, tuple(_local_path(root, line) for line in local))


async def build_wheel(package: Path, to: Path) -> Path:
    """The wheel of that folder, built into the new folder ``to``; a wheel is copied."""
    if package.suffix == ".whl":
        return Path(shutil.copy2(package, to))
    await _uv(package, "build", "--wheel", str(package), "--out-dir", str(to), "--no-create-gitignore")
    return _only_wheel(to, package)


def _only_wheel(folder: Path, package: Path) -> Path:
    built = list(folder.glob("*.whl"))
    if len(built) != 1:
        raise Trouble(f"{package}: uv built no wheel of it; is there a [build-system] in its pyproject.toml?")
    return built[0]


async def make_environment(environment: Path, project: Path, wheels: Sequence[Path]) -> None:
    """A relocatable environment with what the lock pins and these wheels, compiled; of the interpreter that runs this."""
    await _uv(project, "venv", "--relocatable", "--python", sys.executable, str(environment))
    locked = ("--frozen", "--no-dev", "--no-editable", "--no-install-local", "--compile-bytecode")
    await _uv(project, "sync", "--project", str(project), *locked, environment=environment)
    named = [f"{name}=={version}" for name, version in (wheel.name.split("-")[:2] for wheel in wheels)]
    alone = ("--no-cache", "--no-index", "--no-deps", "--compile-bytecode")  # out of the cache: each is installed once
    found = ("--find-links", str(wheels[0].parent), "--python", str(environment / "bin" / "python"))
    await _uv(project, "pip", "install", *alone, *found, *named)


async def _uv(folder: Path, *arguments: str, environment: Path | None = None) -> str:
    variables = _variables(environment)
    where = _folder_of(folder)
    done = await run((_program(), *arguments, "--quiet", "--offline"), where, variables, _LIMIT)
    if done.code and _NO_SPACE not in done.error:
        done = await run((_program(), *arguments, "--quiet"), where, variables, _LIMIT)
    if done.code:
        raise _trouble(folder, arguments[0], done)
    return done.out


def _folder_of(path: Path) -> Path:
    """An archive of sources lies in one."""
    return path if path.is_dir() else path.parent


def _program() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise Trouble("uv is not installed, and releases are built with it; install it: pip install uv")
    return found


def _variables(environment: Path | None) -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    variables |= {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}
    if any(Path(bundle).exists() for bundle in _CERTIFICATES):  # a company's proxy has its own authority
        variables.setdefault("UV_SYSTEM_CERTS", "1")
    variables.pop("UV_PROJECT_ENVIRONMENT", None)
    return variables | ({"UV_PROJECT_ENVIRONMENT": str(environment)} if environment is not None else {})


def _root_of(project: Path) -> Path:
    if not (project / "pyproject.toml").is_file():
        raise Trouble(
            f"{project}: there is no pyproject.toml; a release is made of a package with locked dependencies: "
            "write one ('uv init --package' does), then run 'uv lock'"
        )
    for folder in (project, *project.parents):
        if (folder / LOCK).is_file():
            return folder
    raise Trouble(f"{project}: there is no {LOCK}, so its dependencies are not fixed; run 'uv lock' in that folder")


def _members_missing(root: Path) -> bool:
    """Whether the lock names packages of this workspace whose folders are not here (a sparse checkout, say)."""
    try:
        lock = tomllib.loads((root / LOCK).read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Trouble(f"{root / LOCK}: {error}; run 'uv lock' to make it anew") from None
    sources = [package.get("source", {}) for package in lock.get("package", [])]
    folders = [source[kind] for source in sources for kind in ("editable", "virtual") if kind in source]
    return any(not (root / folder / "pyproject.toml").is_file() for folder in folders)


def _local_path(root: Path, line: str) -> Path:
    path = line.partition(" ; ")[0].removeprefix("-e ").strip().removeprefix("file://")
    return (root / path).resolve()


def _trouble(folder: Path, verb: str, done: Done) -> Trouble:
    if _NO_SPACE in done.error:
        return no_space(folder)
    if "--locked" in done.error:
        return Trouble(f"{folder}: {LOCK} does not fit pyproject.toml; run 'uv lock' there, then build again")
    said = done.error.strip().splitlines()
    text = ": ".join(_telling(said)) or f"it ended with {done.code}"
    return Trouble(f"{folder}: uv {verb}: {text[:400]}", tuple(said[-20:]))


def _telling(said: Sequence[str]) -> Iterator[str]:
    """The lines that say what is wrong, without excerpts of files and advice about uv's own options."""
    for line in said:
        text = re.sub(r"^(error|cause|Caused by)[: ]\s*", "", line.strip())
        if text and "|" not in text and not text.startswith(("warning", "hint", "[stderr]", "[stdout]")):
            yield text.rstrip(".:")
