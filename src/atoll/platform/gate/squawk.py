"""The only file that knows squawk, the linter of PostgreSQL's migrations: statements that lock a table while others wait."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from atoll.platform.gate.contract import Migration
from atoll.platform.gate.sqltext import comments_in
from atoll.system import Trouble

# What holds others up, or cannot be done where it stands; the other rules of squawk are taste, or other files' business.
_LOOKED = "locks the table while every row is looked at; add it NOT VALID, and VALIDATE it in a later revision"
_REWRITTEN = "locks the table while every row is written again"
LOCKS = {
    "require-concurrent-index-creation": "locks the table against writes while its index is built; create it CONCURRENTLY",
    "require-concurrent-index-deletion": "locks the table while its index goes; drop it CONCURRENTLY",
    "require-concurrent-reindex": "locks the table while its index is built again; REINDEX CONCURRENTLY",
    "require-concurrent-partition-detach": "locks the table; detach it CONCURRENTLY",
    "ban-concurrent-index-creation-in-transaction": "cannot do that in a transaction; use op.get_context().autocommit_block()",
    "constraint-missing-not-valid": _LOOKED,
    "adding-foreign-key-constraint": _LOOKED,
    "disallowed-unique-constraint": "locks the table while its index is built; build that CONCURRENTLY, then add it USING INDEX",
    "adding-not-nullable-field": "locks the table while every row is looked at; VALIDATE a CHECK (... IS NOT NULL) first",
    "adding-serial-primary-key-field": f"{_REWRITTEN}; add a column, fill it, and build its index CONCURRENTLY",
    "adding-field-with-default": f"{_REWRITTEN}; add the column, then give it its default, then fill it",
    "changing-column-type": f"{_REWRITTEN}; add another column and fill it",
    "ban-alter-domain-with-add-constraint": "locks every table with the domain; use a CHECK of the column",
    "ban-truncate-cascade": "empties tables that it does not name; name them",
}
SYNTAX = "syntax-error"
_BLINDING = "squawk-ignore-file"
_LIMIT = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Lock:
    """One finding. rule: squawk's name for it. text: what happens, and what to do instead. line: of the migration's SQL."""

    migration: Migration
    rule: str
    text: str
    line: int = 0


class _Found(msgspec.Struct):
    line: int
    rule_name: str
    message: str


def locks_in(migrations: Sequence[Migration]) -> list[Lock]:
    """What squawk finds in migrations that are applied one after the other. Trouble if squawk is not installed.

    It sees them as one transaction, so that a table that one of them makes is new to the next.
    """
    if not any(migration.sql.strip() for migration in migrations):
        return []
    text, lines = "BEGIN;\n", list[tuple[int, Migration]]()
    for migration in migrations:
        lines.append((text.count("\n"), migration))
        text += (
            f"{_seeing(migration.sql).rstrip().rstrip(';')}\n;\n"  # a line of its own: the last one may be a comment
        )
    return [
        _lock(found, lines)
        for found in _ask(f"{text}COMMIT;\n")
        if found.rule_name in LOCKS or found.rule_name == SYNTAX
    ]


def with_ignored_file(migrations: Sequence[Migration]) -> list[Migration]:
    """Those whose comment would switch squawk off for all that comes after it, in other revisions too."""
    return [one for one in migrations if any(_BLINDING in comment.text for comment in comments_in(one.sql))]


def _seeing(sql: str) -> str:
    """With that comment made to say nothing; all lines stay where they are."""
    for comment in comments_in(sql):
        muted = comment.text.replace(_BLINDING, "x" * len(_BLINDING))
        sql = f"{sql[: comment.start]}{muted}{sql[comment.start + len(comment.text) :]}"
    return sql


def _lock(found: _Found, lines: list[tuple[int, Migration]]) -> Lock:
    begin, migration = [one for one in lines if one[0] <= found.line][-1]
    last = migration.sql.rstrip().count("\n") + 1  # what is missing at the end is missed behind it
    return Lock(
        migration, found.rule_name, LOCKS.get(found.rule_name, found.message), min(found.line - begin + 1, last)
    )


def _ask(sql: str) -> list[_Found]:
    program = Path(sys.executable).with_name("squawk")
    # without the .squawk.toml of whatever folder this runs in
    arguments = (str(program), "--config", os.devnull, "--reporter", "json")
    try:
        done = subprocess.run(arguments, input=sql, capture_output=True, text=True, timeout=_LIMIT, check=False)
    except OSError:
        raise Trouble("squawk, which looks at migrations, is not installed: pip install 'atoll[platform]'") from None
    except subprocess.TimeoutExpired:
        raise Trouble(f"squawk did not end within {_LIMIT:g} s; are the migrations that long?") from None
    try:
        return msgspec.json.decode(done.stdout or "[]", type=list[_Found])
    except msgspec.MsgspecError:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"it ended with {done.returncode}"]
        raise Trouble(f"squawk cannot look at the migrations: {lines[-1]}") from None
