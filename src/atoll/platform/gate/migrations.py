"""Migrations while two releases run: what the new one's do to the one that serves while they are applied, and after.

A migration is applied before the first instance of the new release starts, and the old release goes on until the last one of it
ends. So it may add, and take away only what no running release uses: expand, roll out, contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from atoll.platform.gate.contract import Contract, Migration
from atoll.platform.gate.effects import Step, steps_of, tables_made, unique_names
from atoll.platform.gate.sqlglot import Use, uses_of_statement
from atoll.platform.gate.sqltext import names_in
from atoll.platform.gate.squawk import SYNTAX, Lock, locks_in, with_ignored_file
from atoll.platform.gate.told import Effect

_NUMBER = re.compile(r"\d+")
_SHOWN = 3  # places of a finding that are named
_DONE = {
    "drop table": "drops the table {table}",
    "rename table": "renames the table {table} to {to}",
    "move table": "moves the table {table} to the schema {to}",
    "empty": "empties the table {table}",
    "drop column": "drops {table}.{column}",
    "rename column": "renames {table}.{column} to {to}",
    "change type": "changes the type of {table}.{column} to {to}",
    "require": "makes {table}.{column} NOT NULL",
    "add required": "adds {table}.{column} NOT NULL without a default",
    "drop default": "takes the default of {table}.{column} away",
    "drop constraint": "drops the constraint {column} of {table}",
    "rename constraint": "renames the constraint {column} of {table} to {to}",
    "drop index": "drops the index {table}, which may be unique",
    "restrict": "gives {table} {to}",
    "drop schema": "drops the schema {table}",
    "rename schema": "renames the schema {table} to {to}",
    "drop object": "drops the {to} {table}",
    "rename object": "renames, moves or changes names of the {to} {table}",
}
_REMEDY = {
    "rename table": "make the new one beside it, write both, and drop the old one later",
    "rename column": "add the new column beside it, write both, and drop the old one later",
    "change type": "add another column beside it, write both, and drop the old one later",
    "require": "fill it and write it everywhere first",
    "add required": "give it a default, or make it nullable first and fill it",
    "drop default": "write it everywhere first",
    "restrict": "see that what is written meets it first",
    "drop constraint": "take ON CONFLICT out of the code first",
    "rename constraint": "take ON CONFLICT out of the code first",
    "drop index": "take ON CONFLICT out of the code first",
}
_INSERTS = frozenset({"require", "add required", "drop default"})  # what only breaks those who write rows
_CONSTRAINTS = frozenset({"drop constraint", "rename constraint", "drop index"})  # what only breaks ON CONFLICT
_OBJECTS = frozenset({"drop object", "rename object"})  # what no parser finds in a statement
_HARMLESS_UNUSED = frozenset({"add required", "drop default", "restrict", "empty"})
_SUSPECTED = frozenset({"restrict", "empty"})  # what fails no statement for certain
_NOT_UNIQUE = ("_check", "_fkey", "_not_null")  # how PostgreSQL ends the names that it gives
_MARK = "'-- atoll-looked-at WHY'"


def pending(old: Contract, new: Contract) -> tuple[Migration, ...]:
    """The new release's migrations that the old one does not have, in their order."""
    known = {migration.revision for migration in old.migrations}
    return tuple(migration for migration in new.migrations if migration.revision not in known)


def migration_refusals(old: Contract, new: Contract) -> tuple[str, ...]:
    """One line for each statement that would break the old release, or lock its tables: revision, what, whom, what to do."""
    waiting = pending(old, new)
    locks = locks_in(waiting)
    unread = {lock.migration for lock in locks if lock.rule == SYNTAX}
    lines = [*_edited(old, new), *_blinded(waiting)]
    for migration, steps in _steps(waiting, old):
        for step in steps:
            lines += _doubted(step, migration, old) if migration not in unread else []
            lines += [line for effect in step.effects for line in _judged(effect, step, migration, old)]
    return tuple(dict.fromkeys([*lines, *_unreadable(locks), *_held_up(locks, old)]))


def rollback_refusals(running: Contract, target: Contract) -> tuple[str, ...]:
    """One line for each thing that migrations of the release that runs took away and that the older ``target`` uses."""
    lines = []
    for migration, steps in _steps(pending(target, running), target):
        for step in steps:
            for effect in step.effects:
                lines += _missed(effect, step, migration, running, target)
    return tuple(dict.fromkeys(lines))


def _steps(waiting: Sequence[Migration], old: Contract) -> Iterator[tuple[Migration, tuple[Step, ...]]]:
    """Without what is done to things that the waiting migrations make themselves."""
    yield from zip(waiting, steps_of([one.sql for one in waiting], _applied(old)), strict=True)


def _applied(old: Contract) -> tuple[str, ...]:
    return tuple(migration.sql for migration in old.migrations)


def _blinded(waiting: Sequence[Migration]) -> Iterator[str]:
    for migration in with_ignored_file(waiting):
        yield (
            f"{_name(migration)} says squawk-ignore-file, which is not heeded: every statement is looked at; "
            "put '-- squawk-ignore RULE' above the one that is meant"
        )


def _unreadable(locks: Sequence[Lock]) -> Iterator[str]:
    """The first mistake of each file; what comes after it is its consequence."""
    first = {lock.migration: lock for lock in reversed(locks) if lock.rule == SYNTAX}
    for lock in first.values():
        yield f"{_name(lock.migration)} cannot be read at line {lock.line} of its SQL: {lock.text}; mend the statement"


def _held_up(locks: Sequence[Lock], old: Contract) -> Iterator[str]:
    for lock in locks:
        if lock.rule != SYNTAX and not (lock.rule in _AFTER_CONTRACT and _declared(lock.migration, old)):
            remedy = f"if the table is small, put '-- squawk-ignore {lock.rule}' above the statement"
            yield f"{_name(lock.migration)} {lock.text}; it would hold up {old.label}, which runs; {remedy}"


_AFTER_CONTRACT = frozenset({"changing-column-type"})  # who declares the step has asked for it


def _edited(old: Contract, new: Contract) -> Iterator[str]:
    """A revision that is applied is not applied again, whatever its file says now."""
    before = {migration.revision: migration.sql.split() for migration in old.migrations}
    for migration in new.migrations:
        if before.get(migration.revision, migration.sql.split()) != migration.sql.split():
            yield f"{_name(migration)} was released with {old.label} and says something else now; write another revision"


def _doubted(step: Step, migration: Migration, old: Contract) -> list[str]:
    """What is not on the list of harmless statements."""
    if not step.doubt or step.looked_at or _declared(migration, old):
        return []
    what = f"{_name(migration)} line {step.line} of its SQL, {step.head!r}, {step.doubt}"
    remedy = f"{_step_of_contract(migration, old)}; or look at it, and put {_MARK} above it"
    return [f"{what}; nobody can tell whether it would break or hold up {old.label}, which runs; {remedy}"]


def _step_of_contract(migration: Migration, old: Contract) -> str:
    if migration.contract:
        return f"it declares contract = {migration.contract!r}: roll that release out first"
    return f"declare it as a later release's step: contract = {_next(old)!r}"


def _judged(effect: Effect, step: Step, migration: Migration, old: Contract) -> list[str]:
    sure, maybe = users_of(effect, old)
    if _is_harmless(effect, old) or (step.looked_at and (not sure or effect.kind in _SUSPECTED)):
        return []
    done = f"{_name(migration)} {_told(effect)}"
    if _declared(migration, old):
        return [] if effect.kind == "restrict" else _belied(done, migration, old, sure, maybe)
    places = sure or maybe
    if not places and effect.kind in _HARMLESS_UNUSED:
        return []  # nobody writes rows
    if places:
        whom = f"would break {old.label}, which runs: {_listed(places)}"
    else:
        whom = f"no use of it is found in the code of {old.label}, which runs"
    return ["; ".join((done, whom, *_remedies(effect, migration, old, places, certain=bool(sure))))]


def _told(effect: Effect) -> str:
    table = f"{effect.schema}.{effect.table}" if effect.schema else effect.table
    return _DONE[effect.kind].format(table=table, column=effect.column, to=effect.to)


def _belied(done: str, migration: Migration, old: Contract, sure: list[str], maybe: list[str]) -> list[str]:
    """Who declares a step has to be right: what only may be a use stops it too, until somebody has looked."""
    said = f"{done}; it declares that {migration.contract} stopped using it, but {old.label}, which runs,"
    if sure:
        return [f"{said} does: {_listed(sure)}"]
    return [f"{said} may: {_listed(maybe)}; if it does not, put {_MARK} above the statement"] if maybe else []


def _remedies(
    effect: Effect, migration: Migration, old: Contract, places: list[str], *, certain: bool
) -> Iterator[str]:
    yield _REMEDY.get(effect.kind, "stop using it first")
    if effect.kind != "add required":
        yield _later(migration, old, bool(places))
    if effect.kind in _SUSPECTED or (places and not certain):
        yield f"if it does no harm, put {_MARK} above the statement"


def _missed(effect: Effect, step: Step, migration: Migration, running: Contract, target: Contract) -> list[str]:
    """The same judgement the other way round: it is done, and a release that still uses it would come back."""
    sure, maybe = users_of(effect, target)
    places = sure or ([] if step.looked_at else maybe)
    looked_at = step.looked_at and effect.kind in _SUSPECTED
    if not places or looked_at or effect.kind == "empty" or _is_harmless(effect, target):
        return []
    done = f"{_name(migration)} of {running.label}, which runs, {_told(effect)}"
    return [
        f"{done}; going back would break {target.label}: {_listed(places)}; write a revision that brings it back first"
    ]


def _is_harmless(effect: Effect, old: Contract) -> bool:
    """A constraint that is known not to be unique, or an index: to lose it breaks no statement."""
    if effect.kind not in _CONSTRAINTS:
        return False
    unique, other = unique_names(_applied(old))
    name = effect.column or effect.table
    by_postgresql = bool(effect.column) and name.endswith(_NOT_UNIQUE)
    return name in other or (by_postgresql and name not in unique)


def _later(migration: Migration, old: Contract, used: bool) -> str:
    if migration.contract:
        return f"it declares contract = {migration.contract!r}: roll that release out first"
    if used:
        return f"release that, and declare this as a later release's step: contract = {_next(old)!r}"
    return f"if it is used no more, declare so: contract = {old.version!r}"


def users_of(effect: Effect, old: Contract) -> tuple[list[str], list[str]]:
    """Where the old release's code uses it: places that are sure, and those that only have its name in a text with SQL."""
    at_home = ("", effect.table) in tables_made(_applied(old))
    sure, maybe = [], []
    for statement in old.statements:
        uses = uses_of_statement(statement.sql)
        if any(_is_same(effect, use, at_home=at_home) and _hit(effect, use) for use in uses or ()):
            sure.append(statement.place)
        elif (not uses or effect.kind in _OBJECTS) and _may_use(effect, statement.sql):
            maybe.append(statement.place)
    return sure, maybe


def _may_use(effect: Effect, sql: str) -> bool:
    """By its words alone, for what is not understood or has no table in it."""
    words = names_in(sql)
    if effect.kind in _CONSTRAINTS:
        return "conflict" in words
    if effect.kind in _INSERTS:
        return effect.table in words and "insert" in words
    if effect.kind == "restrict":
        return effect.table in words and not words.isdisjoint({"insert", "update", "merge", "copy"})
    if not effect.column:
        return effect.table in words
    return effect.column in words or (effect.table in words and ("*" in sql or "copy" in words))


def _is_same(effect: Effect, use: Use, *, at_home: bool) -> bool:
    """at_home: whether a table of that name is where one without a schema is looked for; if not, it may be in any schema."""
    if effect.kind in {"drop schema", "rename schema"}:
        return (use.schema or "public") == effect.table
    if effect.kind == "drop index":
        return True
    if use.table != effect.table or effect.kind in _OBJECTS:
        return False
    return use.schema == effect.schema or (not (use.schema and effect.schema) and not at_home)


def _hit(effect: Effect, use: Use) -> bool:
    if effect.kind in _INSERTS:
        return use.inserts is not None and effect.column not in use.inserts
    if effect.kind == "restrict":
        return use.writes
    if effect.kind in _CONSTRAINTS:
        return use.conflicts
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
