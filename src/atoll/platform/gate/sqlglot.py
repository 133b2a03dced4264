"""The only file that knows sqlglot: which tables and columns a statement uses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from atoll.platform.gate.sqltext import without_placeholders

logging.getLogger("sqlglot").setLevel(
    logging.ERROR
)  # it warns of statements that it passes on without understanding them
_EXCLUDED = "excluded"  # PostgreSQL's name for the row that an INSERT could not add


@dataclass(frozen=True, slots=True)
class Use:
    """One table in a statement. columns: those that may be its own. every: ``*``, or an INSERT that names no columns.

    inserts: the columns that an INSERT gives; None if it is none. writes: whether rows of it are added or changed.
    conflicts: whether its unique constraints are relied on (ON CONFLICT). schema: "" for public, and where none is said.
    """

    table: str
    columns: frozenset[str]
    every: bool = False
    inserts: frozenset[str] | None = None
    writes: bool = False
    conflicts: bool = False
    schema: str = ""


@lru_cache(4096)
def uses_of_statement(sql: str) -> tuple[Use, ...] | None:
    """The tables and columns that the statement uses; None if it cannot be understood."""
    try:
        statements = [one for one in sqlglot.parse(without_placeholders(sql), dialect="postgres") if one is not None]
    except (SqlglotError, RecursionError):
        return None
    known = (exp.Query, exp.DML, exp.Values, exp.Merge)
    if not all(isinstance(one, known) and not isinstance(one, exp.Copy) for one in statements):
        return None
    return tuple(use for one in statements for use in _uses(_folded(one)))


def _folded(statement: exp.Expr) -> exp.Expr:
    """As PostgreSQL does: what is not quoted is written small."""
    for one in statement.find_all(exp.Identifier):
        if not one.args.get("quoted"):
            one.set("this", one.name.lower())
    return statement


def _uses(statement: exp.Expr) -> Iterator[Use]:
    columns = [*statement.find_all(exp.Column)]
    stars = statement.find(exp.Star) is not None or any(_is_natural(one) for one in statement.find_all(exp.Join))
    loose = _assigned(statement) | _joined(statement)
    inserts = {id(table): insert for insert in statement.find_all(exp.Insert) if (table := _target(insert)) is not None}
    written = {id(table) for one in statement.find_all(exp.Update, exp.Merge) if (table := _target(one)) is not None}
    for table in statement.find_all(exp.Table):
        insert = inserts.get(id(table))
        given = _inserted(insert) if insert is not None else None
        aliases = {table.alias_or_name, table.name} | ({_EXCLUDED} if insert is not None else set())
        own = frozenset(one.name for one in columns if not one.table or one.table in aliases)
        yield Use(
            table.name,
            own | (given or frozenset()) | loose,
            stars or (insert is not None and given is None) or any(_is_row(one, aliases) for one in columns),
            (given or frozenset()) if insert is not None else None,
            insert is not None or id(table) in written,
            insert is not None and insert.find(exp.OnConflict) is not None,
            "" if table.db == "public" else table.db,
        )


def _target(statement: exp.Expr) -> exp.Table | None:
    target = statement.this
    return target if isinstance(target, exp.Table) else target.find(exp.Table) if target is not None else None


def _inserted(insert: exp.Expr) -> frozenset[str] | None:
    schema = insert.this
    if not isinstance(schema, exp.Schema):
        return None
    return frozenset(one.name for one in schema.expressions)


def _is_row(column: exp.Column, aliases: set[str]) -> bool:
    """A table's name in place of a value is its whole row."""
    return not column.table and column.name in aliases


def _is_natural(join: exp.Join) -> bool:
    return str(join.args.get("method") or "").upper() == "NATURAL"


def _joined(statement: exp.Expr) -> frozenset[str]:
    """The columns that JOIN ... USING names; all tables have them."""
    return frozenset(one.name for join in statement.find_all(exp.Join) for one in join.args.get("using") or ())


def _assigned(statement: exp.Expr) -> frozenset[str]:
    """The columns that UPDATE ... SET names; they bear no table's name."""
    sets = [one.expressions for one in statement.find_all(exp.Update, exp.OnConflict)]
    return frozenset(pair.this.name for pairs in sets for pair in pairs if isinstance(pair, exp.EQ))
