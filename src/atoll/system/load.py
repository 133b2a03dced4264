"""From a folder to its `System`: where system.py is, and what it says. Every error is one line that names the place."""

from __future__ import annotations

import sys
import tomllib
import traceback
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import NoReturn

from atoll.system.bytecode import fresh_imports
from atoll.system.model import System
from atoll.system.trouble import Trouble

FILE = "system.py"


def find_system(option: str | Path | None = None, start: Path | None = None) -> Path:
    """The system.py to use: ``option`` (a file or its folder), else the nearest one from ``start`` (the working folder) upwards.

    A pyproject.toml with ``[tool.atoll] system = "path"`` on the way wins over a system.py beside it.
    """
    if option:
        return _given(Path(option))
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        found = _named_in_project(folder / "pyproject.toml") or folder / FILE
        if found.is_file():
            return found
    raise Trouble(f"no {FILE} in {start} or above it; write one, or name it with --system PATH")


def load_system(path: Path) -> System:
    """The one System that the file makes, read from source (never from cached bytecode). Its folder goes on the import path."""
    path = path.resolve()
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return _only_system(_run(path), path)


def _given(path: Path) -> Path:
    path = path.expanduser().resolve()
    found = path / FILE if path.is_dir() else path
    if not found.is_file():
        raise Trouble(f"--system {path}: there is no such file; name a {FILE} or its folder")
    return found


def _named_in_project(project: Path) -> Path | None:
    if not project.is_file():
        return None
    try:
        table = tomllib.loads(project.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise Trouble(f"{project}: {error}; correct it, or use --system PATH") from None
    named = table.get("tool", {}).get("atoll", {}).get("system")
    if named is None:
        return None
    path = project.parent / str(named)
    if not path.is_file():
        raise Trouble(f"{project}: [tool.atoll] system = {str(named)!r}: there is no such file; correct the path")
    return path


class _FromSource(SourceFileLoader):
    """Compiles each time."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _run(path: Path) -> ModuleType:
    # The name a user would import it by; it must not begin with "atoll.system", whose frames `place` leaves out.
    spec = spec_from_file_location("system", path, loader=_FromSource("system", str(path)))
    if path.suffix != ".py" or spec is None or spec.loader is None:
        raise Trouble(f"{path}: not a Python file; name a {FILE}")
    module = module_from_spec(spec)
    sys.modules["system"] = module
    try:
        with fresh_imports(path.parent):
            spec.loader.exec_module(module)
    except Trouble:
        raise
    except SyntaxError as error:
        where = Path(error.filename or path).name
        raise Trouble(f"{where}:{error.lineno or 1}: {error.msg}; correct the syntax") from None
    except ModuleNotFoundError as error:
        _refuse(path, error, f"{error}; install it, or put it beside {path.name}")
    except (Exception, SystemExit) as error:
        _refuse(path, error, f"{type(error).__name__}: {error}; correct this line")
    return module


def _refuse(path: Path, error: BaseException, text: str) -> NoReturn:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    raise Trouble(f"{path.name}:{(lines or [1])[-1] or 1}: {text}") from None


def _only_system(module: ModuleType, path: Path) -> System:
    systems: list[System] = []
    for value in vars(module).values():
        if isinstance(value, System) and not any(value is known for known in systems):
            systems.append(value)
    if not systems:
        raise Trouble(f'{path.name}:1: there is no System in it; add system = System("name", services=(...))')
    if len(systems) > 1:
        first, second = systems[:2]
        raise Trouble(
            f"{second.place}: a second System, {second.name!r}, besides {first.name!r} of {first.place}; keep one"
        )
    return systems[0]
