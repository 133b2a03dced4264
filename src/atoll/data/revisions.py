"""Reading Alembic revision files without importing Alembic, or them."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAMES = ("revision", "down_revision", "branch_labels", "depends_on", "contract")
_BIND = re.compile(r"(?<![:\w\\]):\w|\\:")  # what SQLAlchemy's text() would take for a parameter, or for an escape


class BrokenRevision(Exception):
    """One line: which file, what is wrong."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One file. sql: what it executes, if it is nothing but ``op.execute`` of constants; None if only Alembic can run it.

    contract: ``contract = "0.3.0"`` in the file: the release that stopped using what this revision takes away.
    """

    id: str
    down: tuple[str, ...]
    file: str
    sql: str | None
    branches: bool
    contract: str = ""


class Revisions:
    """The revisions of one folder."""

    def __init__(self, folder: Path, found: Collection[Revision]) -> None:
        self.folder = folder
        self._by_id = {revision.id: revision for revision in found}
        self._next = {revision.down: revision for revision in found}
        self.known = frozenset(self._by_id)
        self.heads = self.known - {below for revision in found for below in revision.down}

    @property
    def linear(self) -> bool:
        """Whether each revision has one at most below it and one at most above it."""
        plain = all(len(one.down) <= 1 and not one.branches for one in self._by_id.values())
        return plain and len(self._next) == len(self._by_id) and len(self.heads) <= 1

    def ordered(self) -> list[Revision]:
        """All of them, each after those below it."""
        done: dict[str, Revision] = {}
        waiting = dict(self._by_id)
        while ready := [one for one in waiting.values() if all(below in done for below in one.down)]:
            for revision in ready:
                done[revision.id] = waiting.pop(revision.id)
        return list(done.values())

    def after(self, versions: Collection[str]) -> list[Revision]:
        """What follows the database's version, in order. For linear ones."""
        found: list[Revision] = []
        at = tuple(versions)
        while (revision := self._next.get(at)) is not None:
            found.append(revision)
            at = (revision.id,)
        return found


def read_revisions(folder: Path) -> Revisions:
    """The revisions in the folder's ``*.py`` files; BrokenRevision names a file that is none, a twin or a missing parent."""
    found: dict[str, Revision] = {}
    for path in sorted(folder.glob("*.py")):
        if path.name in {"env.py", "__init__.py"}:
            continue
        revision = _read(path)
        if revision.id in found:
            raise BrokenRevision(
                f"{folder}: {found[revision.id].file} and {path.name} are both revision {revision.id!r}"
            )
        found[revision.id] = revision
    for revision in found.values():
        for below in revision.down:
            if below not in found:
                raise BrokenRevision(
                    f"{folder / revision.file}: down_revision is {below!r}, and there is no such revision"
                )
    return Revisions(folder, found.values())


def _read(path: Path) -> Revision:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise BrokenRevision(f"{path}:{error.lineno}: {error.msg}") from None
    values: dict[str, Any] = {}
    plain = True
    sql: str | None = None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "upgrade":
            sql = _sql_of(node)
        elif not _inert(node) and not _assigned(node, values):
            plain = False
    if not isinstance(values.get("revision"), str):
        raise BrokenRevision(f"{path}: no revision = '...'; a migration file has revision, down_revision and upgrade()")
    below = values.get("down_revision")
    down = () if below is None else (below,) if isinstance(below, str) else tuple(below)
    branches = bool(values.get("branch_labels") or values.get("depends_on"))
    contract = values.get("contract", "")
    if not isinstance(contract, str):
        raise BrokenRevision(f"{path}: contract = {contract!r}: write the version as text, contract = '0.3.0'")
    return Revision(values["revision"], down, path.name, sql if plain else None, branches, contract)


def _inert(node: ast.stmt) -> bool:
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)


def _assigned(node: ast.stmt, values: dict[str, Any]) -> bool:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target, value = node.target, node.value
    else:
        return False
    if not isinstance(target, ast.Name) or target.id not in _NAMES:
        return False
    try:
        values[target.id] = ast.literal_eval(value)
    except ValueError:
        return False
    return True


def _sql_of(upgrade: ast.FunctionDef) -> str | None:
    statements: list[str] = []
    for node in upgrade.body:
        if isinstance(node, ast.Pass) or _inert(node):
            continue
        text = _executed(node)
        if text is None or _BIND.search(text):
            return None
        statements.append(text.strip().rstrip(";"))
    return ";\n".join(statements)


def _executed(node: ast.stmt) -> str | None:
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return None
    call = node.value
    is_execute = (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "execute"
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "op"
    )
    if not is_execute or call.keywords or len(call.args) != 1:
        return None
    argument = call.args[0]
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None
