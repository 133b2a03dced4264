"""What a release does to its database, as data: the SQL of its migrations, and the statements in its code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from atoll.data.migrations import MigrationError, locate
from atoll.data.postgres import one_line
from atoll.data.revisions import BrokenRevision, Revision, read_revisions
from atoll.service import Service

_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|MERGE|FROM|WHERE|JOIN|RETURNING|VALUES|TRUNCATE|COPY)\b")
_UNKNOWN = "*"  # stands for a part of a statement that only the running program knows: it may name any column


def describe_database(service: Service) -> dict[str, Any]:
    """{"migrations": [{"revision", "file", "sql", "contract"}], "statements": [{"place", "sql"}]}; empty without migrations.

    The statements are those in the sources of the package that has the migrations. MigrationError for a revision that cannot
    be rendered without a database, or is none.
    """
    if not service.migrations:
        return {}
    folder = locate(service.migrations)
    try:
        revisions = read_revisions(folder)
    except BrokenRevision as error:
        raise MigrationError(str(error)) from None
    return {
        "migrations": [_described(folder, revision) for revision in revisions.ordered()],
        "statements": [*statements_in(folder.parent, folder)],
    }


def _described(folder: Path, revision: Revision) -> dict[str, str]:
    sql = revision.sql if revision.sql is not None else _rendered(folder, revision)
    return {"revision": revision.id, "file": revision.file, "sql": sql, "contract": revision.contract}


def _rendered(folder: Path, revision: Revision) -> str:
    from atoll.data.migrations_alembic import render

    try:
        return render(folder, revision.id)
    except Exception as error:  # a revision is the user's code and may fail in any way
        raise MigrationError(
            f"{folder / revision.file} cannot be written as SQL without a database: {one_line(error)}; "
            "let it only execute statements, and read nothing"
        ) from None


def statements_in(package: Path, without: Path | None = None) -> Iterator[dict[str, str]]:
    """The texts with SQL in them in the package's sources: place ``package/module.py:12``. without: a folder to leave out."""
    for path in sorted(package.rglob("*.py")):
        if without is None or not path.is_relative_to(without):
            tree = ast.parse(path.read_text("utf-8"))
            for line, text in _texts(tree):
                if _SQL.search(text):
                    yield {"place": f"{path.relative_to(package.parent).as_posix()}:{line}", "sql": text.strip()}


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    names: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id] = _text(node.value, names) or _UNKNOWN
    yield from _walk(tree, names)


def _walk(node: ast.AST, names: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    for child in ast.iter_child_nodes(node):
        docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        text = None if docstring or isinstance(child, ast.Name) else _text(child, names)
        if text is not None:
            yield getattr(child, "lineno", 0), text
        elif not docstring:
            yield from _walk(child, names)


def _text(node: ast.AST, names: Mapping[str, str]) -> str | None:
    """What the expression is, if it is text; with `_UNKNOWN` for what is only known when it runs."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.Name(id=name):
            return names.get(name)
        case ast.JoinedStr(values=values):
            return "".join(_text(value, names) or _UNKNOWN for value in values)
        case ast.FormattedValue(value=value):
            return _text(value, names) or _UNKNOWN
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            first, second = _text(left, names), _text(right, names)
            return None if first is None and second is None else f"{first or _UNKNOWN}{second or _UNKNOWN}"
        case _:
            return None
