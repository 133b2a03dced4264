"""Two edits of the same length within one second: the later one counts."""

from __future__ import annotations

import os
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from atoll.system.bytecode import forget
from atoll.system.load import load_system

SECOND = 1_700_000_000
MODEL = "from atoll.system import System\nfrom beside_it import NAME\nsystem = System({name})\n"


def write(path: Path, text: str) -> None:
    """Always at the same second, as two quick edits are."""
    path.write_text(text, "utf-8")
    os.utime(path, (SECOND, SECOND))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "beside_it.py", "NAME = 'one'\n")
    write(tmp_path / "system.py", MODEL.format(name="NAME"))
    return tmp_path


@pytest.fixture(autouse=True)
def clean_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def name(folder: Path) -> str:
    for module in ("system", "beside_it"):
        sys.modules.pop(module, None)
    return load_system(folder / "system.py").name


def test_system_py_is_always_read_from_source(folder: Path) -> None:
    write(folder / "system.py", MODEL.format(name="'eins'"))
    assert name(folder) == "eins"
    import py_compile

    py_compile.compile(str(folder / "system.py"))
    write(folder / "system.py", MODEL.format(name="'zwei'"))
    assert name(folder) == "zwei"


def test_what_it_imports_beside_it_is_read_again_when_its_bytecode_is_in_doubt(folder: Path) -> None:
    assert name(folder) == "one"
    cached = Path(cache_from_source(str(folder / "beside_it.py")))
    os.utime(cached, (SECOND, SECOND))  # written in the second of the edit
    write(folder / "beside_it.py", "NAME = 'two'\n")
    assert name(folder) == "two"


def test_settled_bytecode_is_used(folder: Path) -> None:
    assert name(folder) == "one"
    cached = Path(cache_from_source(str(folder / "beside_it.py")))
    before = cached.stat()
    assert name(folder) == "one"
    assert cached.stat().st_mtime_ns == before.st_mtime_ns


def test_forgetting_takes_python_alone_and_minds_no_absence(folder: Path) -> None:
    name(folder)
    cached = Path(cache_from_source(str(folder / "beside_it.py")))
    assert cached.exists()
    forget([folder / "beside_it.py", folder / "none.py", folder / "beside_it.sql", folder])
    assert not cached.exists()
