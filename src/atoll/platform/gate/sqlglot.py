"""The only file that knows sqlglot: what a migration does to tables, and which tables and columns a statement uses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

logging.getLogger("sqlglot").setLevel(
    logging.ERROR
)  # it warns of statements that it passes on without understanding them


@dataclass(frozen=True, slots=True)
class Effect:
    """What a migration does to what is there already.

    kind: "drop table", "rename table", "drop column", "rename column", "change type", "require", "add required",
    "drop default". column: "" for a whole table. to: the new name or type.
    """

    kind: str
    table: str
    column: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """One table in a statement. columns: those that may be its own. every: ``*``, or an INSERT that names no columns.

    inserts: the columns that an INSERT gives; None if it is none.
    """

    table: str
    columns: frozenset[str]
    every: bool = False
    inserts: frozenset[str] | None = None


def effects_of(sql: str) -> list[Effect]:
    """Of all statements, in their order; without what happens to tables that the same SQL creates."""
    found: list[Effect] = []
    created: set[str] = set()
    for statement in _parsed(sql):
        if isinstance(statement, exp.Create) and statement.kind == "TABLE":
            created |= {table.name for table in statement.this.find_all(exp.Table)}
        found += [effect for effect in _effects(statement) if effect.table not in created]
    return found


def uses_of_statement(sql: str) -> list[Use] | None:
    """The tables and columns that the statement uses; None if it cannot be understood."""
    try:
        statements = [one for one in sqlglot.parse(sql, dialect="postgres") if one is not None]
    except (SqlglotError, RecursionError):
        return None
    known = (exp.Query, exp.DML, exp.Values, exp.Merge)
    if not all(isinstance(one, known) for one in statements):
        return None
    return [use for one in statements for use in _uses(one)]


def _parsed(sql: str) -> list[exp.Expr]:
    """Statement by statement, so that one that sqlglot does not know hides no other one."""
    found: list[exp.Expr] = []
    for text in _split(sql):
        try:
            found += [one for one in sqlglot.parse(text, dialect="postgres") if one is not None]
        except (SqlglotError, RecursionError):
            continue  # squawk, which knows all of PostgreSQL's grammar, looks at it too
    return found


def _split(sql: str) -> Iterator[str]:
    try:
        tokens = sqlglot.tokenize(sql, dialect="postgres")
    except SqlglotError:
        yield sql
        return
    begin = 0
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            yield sql[begin : token.start]
            begin = token.end + 1
    yield sql[begin:]


def _effects(statement: exp.Expr) -> Iterator[Effect]:
    if isinstance(statement, exp.Drop) and statement.kind in {"TABLE", "VIEW"}:
        for table in statement.find_all(exp.Table):
            yield Effect("drop table", table.name)
    elif isinstance(statement, exp.Alter) and statement.args.get("kind") == "TABLE":
        table = statement.this.name
        for action in statement.args.get("actions", ()):
            yield from _action(statement, table, action)


def _action(statement: exp.Alter, table: str, action: exp.Expr) -> Iterator[Effect]:
    if isinstance(action, exp.Drop) and action.args.get("kind") == "COLUMN":
        for column in action.find_all(exp.Column):
            yield Effect("drop column", table, column.name)
    elif isinstance(action, exp.RenameColumn):
        yield Effect("rename column", table, action.this.name, action.args["to"].name)
    elif isinstance(action, exp.AlterRename):
        yield _renamed(statement, table, action)
    elif isinstance(action, exp.AlterColumn):
        yield from _altered(table, action)
    elif isinstance(action, exp.ColumnDef) and _is_required(action):
        yield Effect("add required", table, action.name)


def _renamed(statement: exp.Alter, table: str, action: exp.AlterRename) -> Effect:
    """``RENAME a TO b`` without the word COLUMN looks like that of a table, with an option."""
    target = next((one.this.name for one in statement.args.get("options", ()) if one.find(exp.Table)), "")
    if target:
        return Effect("rename column", table, action.this.name, target)
    return Effect("rename table", table, "", action.this.name)


def _altered(table: str, action: exp.AlterColumn) -> Iterator[Effect]:
    if (kind := action.args.get("dtype")) is not None:
        yield Effect("change type", table, action.name, kind.sql(dialect="postgres"))
    elif action.args.get("allow_null") is False:
        yield Effect("require", table, action.name)
    elif action.args.get("drop") and action.args.get("allow_null") is None:
        yield Effect("drop default", table, action.name)


def _is_required(column: exp.ColumnDef) -> bool:
    kinds = [constraint.kind for constraint in column.find_all(exp.ColumnConstraint)]
    required = any(isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null") for kind in kinds)
    required = required or any(isinstance(kind, exp.PrimaryKeyColumnConstraint) for kind in kinds)
    filled = (exp.DefaultColumnConstraint, exp.GeneratedAsIdentityColumnConstraint, exp.ComputedColumnConstraint)
    serial = "SERIAL" in column.args["kind"].sql().upper() if column.args.get("kind") else False
    return required and not serial and not any(isinstance(kind, filled) for kind in kinds)


def _uses(statement: exp.Expr) -> Iterator[Use]:
    names = frozenset(column.name for column in statement.find_all(exp.Column))
    names |= frozenset(one.name for one in statement.find_all(exp.Identifier) if isinstance(one.parent, exp.Schema))
    stars = statement.find(exp.Star) is not None
    inserted = {insert: _inserted(insert) for insert in statement.find_all(exp.Insert)}
    for table in statement.find_all(exp.Table):
        given = next((columns for insert, columns in inserted.items() if insert.this.find(exp.Table) is table), None)
        into = any(insert.this.find(exp.Table) is table for insert in inserted)
        aliases = {table.alias_or_name, table.name}
        own = frozenset(one.name for one in statement.find_all(exp.Column) if not one.table or one.table in aliases)
        columns = own | (given or frozenset()) | (_assigned(statement) & names)
        every = stars or (into and given is None)
        yield Use(table.name, columns, every, (given or frozenset()) if into else None)


def _inserted(insert: exp.Insert) -> frozenset[str] | None:
    schema = insert.this
    if not isinstance(schema, exp.Schema):
        return None
    return frozenset(one.name for one in schema.expressions)


def _assigned(statement: exp.Expr) -> frozenset[str]:
    """The columns that UPDATE ... SET names; they bear no table's name."""
    sets = [one.expressions for one in statement.find_all(exp.Update, exp.OnConflict)]
    return frozenset(pair.this.name for pairs in sets for pair in pairs if isinstance(pair, exp.EQ))
