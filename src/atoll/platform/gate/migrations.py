"""Migrations while two releases run: what the new one's do to the one that serves while they are applied, and after.

A migration is applied before the first instance of the new release starts, and the old release goes on until the last one of it
ends. So it may add, and take away only what no running release uses: expand, roll out, contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from atoll.platform.gate.contract import Contract, Migration
from atoll.platform.gate.sqlglot import Effect, Use, effects_of, uses_of_statement
from atoll.platform.gate.squawk import locks_in

_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[A-Za-z_]\w*")
_SHOWN = 3  # places of a finding that are named
_DONE = {
    "drop table": "drops the table {table}",
    "rename table": "renames the table {table} to {to}",
    "drop column": "drops {table}.{column}",
    "rename column": "renames {table}.{column} to {to}",
    "change type": "changes the type of {table}.{column} to {to}",
    "require": "makes {table}.{column} NOT NULL",
    "add required": "adds {table}.{column} NOT NULL without a default",
    "drop default": "takes the default of {table}.{column} away",
}
_REMEDY = {
    "rename table": "make the new one beside it, write both, and drop the old one later",
    "rename column": "add the new column beside it, write both, and drop the old one later",
    "change type": "add another column beside it, write both, and drop the old one later",
    "require": "fill it and write it everywhere first",
    "add required": "give it a default, or let it be NULL",
    "drop default": "write it everywhere first",
}
_INSERTS = frozenset({"require", "add required", "drop default"})  # what only breaks those who write rows


def pending(old: Contract, new: Contract) -> tuple[Migration, ...]:
    """The new release's migrations that the old one does not have, in their order."""
    known = {migration.revision for migration in old.migrations}
    return tuple(migration for migration in new.migrations if migration.revision not in known)


def migration_refusals(old: Contract, new: Contract) -> tuple[str, ...]:
    """One line for each statement that would break the old release, or lock its tables: revision, what, whom, what to do."""
    waiting = pending(old, new)
    lines = list(_edited(old, new))
    made: set[str] = set()
    for migration in waiting:
        for effect in effects_of(migration.sql):
            if effect.table not in made:
                lines += _judged(effect, migration, old)
        made |= _created(migration.sql)
    for lock in locks_in(waiting):
        if not (lock.rule in _AFTER_CONTRACT and _declared(lock.migration, old)):
            remedy = f"if the table is small, put '-- squawk-ignore {lock.rule}' above the statement"
            lines.append(f"{_name(lock.migration)} {lock.text}; it would hold up {old.label}, which runs; {remedy}")
    return tuple(dict.fromkeys(lines))


_AFTER_CONTRACT = frozenset({"changing-column-type"})  # who declares the step has asked for it
_CREATED = re.compile(r"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:\w+\.)?\"?(\w+)", re.IGNORECASE)


def _created(sql: str) -> set[str]:
    return set(_CREATED.findall(sql))


def _edited(old: Contract, new: Contract) -> Iterator[str]:
    """A revision that is applied is not applied again, whatever its file says now."""
    before = {migration.revision: migration.sql.split() for migration in old.migrations}
    for migration in new.migrations:
        if before.get(migration.revision, migration.sql.split()) != migration.sql.split():
            yield f"{_name(migration)} was released with {old.label} and says something else now; write another revision"


def _judged(effect: Effect, migration: Migration, old: Contract) -> list[str]:
    sure, maybe = users_of(effect, old)
    done = f"{_name(migration)} {_DONE[effect.kind].format(table=effect.table, column=effect.column, to=effect.to)}"
    if _declared(migration, old):
        said = f"it declares that {migration.contract} stopped using it"
        return [f"{done}; {said}, but {old.label}, which runs, does: {_listed(sure)}"] if sure else []
    places = sure or maybe
    if not places and effect.kind in {"add required", "drop default"}:
        return []  # nobody writes rows
    if places:
        whom = f"would break {old.label}, which runs: {_listed(places)}"
    else:
        whom = f"no use of it is found in the code of {old.label}, which runs"
    return [
        f"{done}; {whom}; {_REMEDY.get(effect.kind, 'stop using it first')}; {_later(migration, old, bool(places))}"
    ]


def _later(migration: Migration, old: Contract, used: bool) -> str:
    if migration.contract:
        return f"it declares contract = {migration.contract!r}: roll that release out first"
    if used:
        return f"release that, and declare this as a later release's step: contract = {_next(old)!r}"
    return f"if it is used no more, declare so: contract = {old.version!r}"


def users_of(effect: Effect, old: Contract) -> tuple[list[str], list[str]]:
    """Where the old release's code uses it: places that are sure, and those that only have its name in a text with SQL."""
    sure, maybe = [], []
    for statement in old.statements:
        uses = uses_of_statement(statement.sql)
        if uses is None:
            words = set(_WORD.findall(statement.sql))
            if (effect.column or effect.table) in words and effect.kind not in _INSERTS:
                maybe.append(statement.place)
        elif any(_hit(effect, use) for use in uses):
            sure.append(statement.place)
    return sure, maybe


def _hit(effect: Effect, use: Use) -> bool:
    if use.table != effect.table:
        return False
    if effect.kind in _INSERTS:
        return use.inserts is not None and effect.column not in use.inserts
    return not effect.column or use.every or effect.column in use.columns


def _declared(migration: Migration, old: Contract) -> bool:
    """Whether the release that runs is the one that stopped using it, or a later one."""
    return bool(migration.contract) and _parts(old.version) >= _parts(migration.contract)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, _NUMBER.findall(version)))


def _next(old: Contract) -> str:
    parts = _parts(old.version) or (0, 0)
    return ".".join(map(str, (*parts[:1], (parts[1] if len(parts) > 1 else 0) + 1, 0)))


def _name(migration: Migration) -> str:
    return f"migrations/{migration.file}"


def _listed(places: list[str]) -> str:
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f"{', '.join(places[:_SHOWN])}{more}"
