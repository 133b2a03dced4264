"""What one statement of a migration does to what is there already, or why nobody can tell from its text.

Only statements that are known to disturb no release that runs have no effect and no doubt: whatever is not listed is doubted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

from atoll.platform.gate.sqltext import Piece, Token, pieces_of

Tokens: TypeAlias = tuple[Token, ...]
Key: TypeAlias = tuple[str, str, str]
"""What names a thing of the database: its kind, its schema, its name."""

_SHOWN = 60  # characters of a statement that is quoted
_MARK = "atoll-looked-at"
_RELATIONS = frozenset({"TABLE", "VIEW", "INDEX", "SEQUENCE"})  # of which PostgreSQL has one of a name
_OVERLOADED = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE"})  # of which it has many


@dataclass(frozen=True, slots=True)
class Effect:
    """What a migration does to what is there already.

    kind: "drop table", "rename table", "move table", "empty", "drop column", "rename column", "change type", "require",
    "add required", "drop default", "drop constraint", "rename constraint", "drop index", "restrict", "drop schema",
    "rename schema", "drop object", "rename object". table: or index, schema or object. column: or constraint; "" for a whole
    table. to: the new name or type, or what restricts. schema: "" for public, and where none is said.
    """

    kind: str
    table: str
    column: str = ""
    to: str = ""
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One statement. doubt: why it may disturb a release that runs, though nobody can say what; "" if that is known.

    looked_at: whether a person says so above it.
    """

    head: str
    line: int
    effects: tuple[Effect, ...] = ()
    doubt: str = ""
    looked_at: bool = False


@dataclass(frozen=True, slots=True)
class _Name:
    schema: str
    name: str

    def key(self, kind: str) -> Key:
        return ("relation" if kind in _RELATIONS else kind, self.schema, self.name)


@dataclass(frozen=True, slots=True)
class _Told:
    """effects: what is known. doubts: what is not. new: what it makes. about: the object that it is about."""

    effects: tuple[Effect, ...] = ()
    doubt: str = ""
    new: tuple[Key, ...] = ()
    about: Key | None = None


def effects_of(sql: str) -> list[Effect]:
    """Of all statements, in their order; without what happens to things that the same SQL makes."""
    return [effect for step in steps_of([sql])[0] for effect in step.effects]


def steps_of(migrations: Collection[str], before: Collection[str] = ()) -> list[tuple[Step, ...]]:
    """For each migration its statements. What they make themselves is theirs to change; what is there ``before`` is not."""
    there = frozenset(key for sql in before for piece in pieces_of(sql) for key in _told(piece.tokens).new)
    there |= frozenset(key for sql in before for piece in pieces_of(sql) for key in _made_if_missing(piece.tokens))
    made: set[Key] = set()
    return [tuple(_read(piece, made, there) for piece in pieces_of(sql)) for sql in migrations]


@lru_cache
def tables_made(migrations: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    """(schema, name) of whatever they create that a statement can read."""
    pieces = [piece.tokens for sql in migrations for piece in pieces_of(sql)]
    found = [key for tokens in pieces for key in (*_told(tokens).new, *_made_if_missing(tokens))]
    return frozenset((schema, name) for kind, schema, name in found if kind == "relation")


@lru_cache
def unique_names(migrations: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Of constraints and indexes: those that are said to be unique, and those that are said to be something else."""
    unique, other = set[str](), set[str]()
    for sql in migrations:
        for piece in pieces_of(sql):
            for name, is_unique in _named(piece.tokens):
                (unique if is_unique else other).add(name)
    return frozenset(unique), frozenset(other - unique)


def _read(piece: Piece, made: set[Key], there: frozenset[Key]) -> Step:
    told = _told(piece.tokens)
    step = _step(piece, _without(told, made))
    made |= set(told.new) - there
    made |= {
        _key(replace(one, table=one.to)) for one in told.effects if one.kind == "rename table" and _key(one) in made
    }
    return step


def _step(piece: Piece, told: _Told) -> Step:
    head = " ".join(piece.text.split())
    head = head if len(head) <= _SHOWN else f"{head[:_SHOWN]}..."
    known = tuple(effect for effect in told.effects if effect.table)
    doubt = told.doubt or (_UNKNOWN if known != told.effects else "")  # of a thing that has no name
    return Step(head, piece.line, known, doubt, any(_says_looked_at(text) for text in piece.comments))


def _says_looked_at(comment: str) -> bool:
    """With a reason: a mark that says nothing is no look."""
    words = comment.strip("-/* \n").split()
    return len(words) > 1 and words[0].rstrip(":") == _MARK


def _without(told: _Told, made: Collection[Key]) -> _Told:
    if told.about is not None and told.about in made:
        return _Told(new=told.new)
    return replace(told, effects=tuple(one for one in told.effects if _key(one) not in made))


def _key(effect: Effect) -> Key:
    kind = {"drop object": effect.to.upper(), "rename object": effect.to.upper()}.get(effect.kind, "TABLE")
    return _Name(effect.schema, effect.table).key("SCHEMA" if effect.kind.endswith("schema") else kind)


# Tokens ---------------------------------------------------------------------------------------------------------------


def _after(tokens: Tokens, pattern: str) -> Tokens | None:
    """What follows those words. ``A|B``: one of them; ``A?``: it may be missing."""
    at = 0
    for part in pattern.split():
        words = part.rstrip("?").split("|")
        if at < len(tokens) and tokens[at].word in words:
            at += 1
        elif not part.endswith("?"):
            return None
    return tokens[at:]


def _starts(tokens: Tokens, *patterns: str) -> bool:
    return any(_after(tokens, pattern) is not None for pattern in patterns)


def _has(tokens: Tokens, *words: str) -> bool:
    """Whether the words follow each other somewhere."""
    return any(_starts(tokens[at:], " ".join(words)) for at in range(len(tokens)))


def _name(tokens: Tokens) -> tuple[_Name, Tokens]:
    """``public`` is where a name without a schema is looked for."""
    parts, at = [tokens[0].name if tokens else ""], 1
    while at + 1 < len(tokens) and tokens[at].text == ".":
        parts.append(tokens[at + 1].name)
        at += 2
    schema = parts[-2] if len(parts) > 1 else ""
    return _Name("" if schema == "public" else schema, parts[-1]), tokens[at:]


def _names(tokens: Tokens) -> Iterator[_Name]:
    for part in _parts(tokens):
        yield _name(_after(part, "ONLY?") or part)[0]


def _parts(tokens: Tokens) -> Iterator[Tokens]:
    """Between the commas that are in no parentheses."""
    depth, begin = 0, 0
    for at, token in enumerate(tokens):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            yield tokens[begin:at]
            begin = at + 1
    yield tokens[begin:]


def _outside(tokens: Tokens) -> Tokens:
    """Those in no parentheses."""
    depth, found = 0, []
    for token in tokens:
        depth += token.text == "("
        if depth == 0:
            found.append(token)
        depth -= token.text == ")"
    return tuple(found)


# Statements -----------------------------------------------------------------------------------------------------------

_UNKNOWN = "is not known to be safe"
_HARMLESS = (
    "SELECT|VALUES|INSERT|MERGE|UPDATE|DELETE|WITH",  # rows may change: backfills do that
    "GRANT|ANALYZE|REINDEX",  # of REINDEX, squawk has its opinion
    "COMMENT ON",
    "BEGIN|COMMIT|END",
    "START TRANSACTION",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY",
    "SET LOCAL|SESSION? LOCK_TIMEOUT|STATEMENT_TIMEOUT|TRANSACTION_TIMEOUT|MAINTENANCE_WORK_MEM",
    "RESET LOCK_TIMEOUT|STATEMENT_TIMEOUT|TRANSACTION_TIMEOUT|MAINTENANCE_WORK_MEM",
)
_DOUBTS = {
    "DO": "does what only the database sees",
    "CALL": "does what only the database sees",
    "EXECUTE": "does what only the database sees",
    "LOCK": "locks what others use",
    "VACUUM": "may lock the table while it is written again",
    "CLUSTER": "locks the table while it is written again",
    "REFRESH": "locks the view while it is filled; REFRESH it CONCURRENTLY",
    "REVOKE": "takes rights away that the code may need",
    "SET": "changes what the statements after it mean",
}
_NEW = (
    "SCHEMA|TYPE|DOMAIN|SEQUENCE|VIEW|FUNCTION|PROCEDURE|AGGREGATE|EXTENSION|COLLATION|STATISTICS|ROLE|PUBLICATION",
    "TEMP|TEMPORARY RECURSIVE? VIEW|SEQUENCE",
    "UNLOGGED SEQUENCE",
    "RECURSIVE VIEW",
    "MATERIALIZED VIEW",
    "FOREIGN TABLE",
)
_TABLE = "GLOBAL|LOCAL? TEMP|TEMPORARY|UNLOGGED? TABLE"


def _told(tokens: Tokens) -> _Told:
    if (rest := _after(tokens, "CREATE")) is not None:
        return _create(rest)
    if (rest := _after(tokens, "DROP")) is not None:
        return _drop(rest)
    if (rest := _after(tokens, "ALTER")) is not None:
        return _alter(rest)
    if (rest := _after(tokens, "TRUNCATE TABLE?")) is not None:
        return _Told(tuple(Effect("empty", one.name, schema=one.schema) for one in _names(rest)))
    if _starts(tokens, *_HARMLESS):
        return _Told()
    return _Told(_hidden(tokens), _DOUBTS.get(tokens[0].word, _UNKNOWN))


def _hidden(tokens: Tokens) -> tuple[Effect, ...]:
    """What stands plainly in the body of a DO block."""
    bodies = [token.text.strip("$") for token in tokens if token.kind == "body"]
    found = [piece.tokens for body in bodies for piece in pieces_of(body)]
    begun = [one[at:] for one in found for at, token in enumerate(one) if token.word in {"ALTER", "DROP", "TRUNCATE"}]
    return tuple(effect for one in begun for effect in _told(one).effects)


def _create(tokens: Tokens) -> _Told:
    if (rest := _after(tokens, _TABLE)) is not None:
        lasting = not _has(tokens[:2], "TEMP|TEMPORARY") and not _starts(rest, "IF NOT EXISTS")
        return _Told(new=(_name(rest)[0].key("TABLE"),) if lasting else ())
    if (rest := _after(tokens, "UNIQUE? INDEX CONCURRENTLY?")) is not None:
        return _index(rest, is_unique=_starts(tokens, "UNIQUE"))
    if (rest := _after(tokens, "OR")) is not None:
        return _Told(doubt="may replace what the code uses", about=_about_new(_after(rest, "REPLACE") or ()))
    if _starts(tokens, *_NEW):
        key = _about_new(tokens)
        sure = key is not None and key[0] not in _OVERLOADED and not _has(tokens[:6], "IF", "NOT", "EXISTS")
        return _Told(new=(key,) if key is not None and sure else ())
    if _starts(tokens, "CONSTRAINT? TRIGGER", "RULE", "POLICY"):
        return _Told(doubt="changes what the code's writes do", about=_on(tokens))
    return _Told(doubt=_UNKNOWN)


def _about_new(tokens: Tokens) -> Key | None:
    """``MATERIALIZED VIEW IF NOT EXISTS a.b``: the view a.b."""
    rest = _after(tokens, "TEMP|TEMPORARY|UNLOGGED? MATERIALIZED|FOREIGN|RECURSIVE?") or tokens
    if len(rest) < 2 or _starts(tokens, "TEMP|TEMPORARY"):
        return None
    return _name(_after(rest[1:], "IF? NOT? EXISTS?") or ())[0].key(rest[0].word)


def _made_if_missing(tokens: Tokens) -> Iterator[Key]:
    """What CREATE ... IF NOT EXISTS leaves there, whoever made it."""
    rest = _after(tokens, "CREATE UNLOGGED? TABLE IF NOT EXISTS")
    if rest is not None:
        yield _name(rest)[0].key("TABLE")
    elif _starts(tokens, *(f"CREATE {new} IF NOT EXISTS" for new in _NEW)):
        key = _about_new(tokens[1:])
        if key is not None:
            yield key


def _on(tokens: Tokens) -> Key | None:
    """The table after the first ON, or TO."""
    for at, token in enumerate(tokens):
        if token.word == "ON":
            return _name(_after(tokens[at + 1 :], "ONLY?") or ())[0].key("TABLE")
    return None


def _index(tokens: Tokens, *, is_unique: bool) -> _Told:
    """A unique one forbids rows that the old release may write."""
    table = _on(tokens)
    name = _name(_after(tokens, "IF? NOT? EXISTS?") or ())[0]
    kept = not _starts(tokens, "IF NOT EXISTS") and not _starts(tokens, "ON")
    new = (_Name(table[1] if table else "", name.name).key("INDEX"),) if kept else ()
    if table is None or not is_unique:
        return _Told(new=new)
    return _Told((Effect("restrict", table[2], to="a unique index", schema=table[1]),), new=new, about=table)


def _drop(tokens: Tokens) -> _Told:
    doubt = "takes what it does not name with it (CASCADE)" if _has(tokens, "CASCADE") else ""
    if (rest := _after(tokens, "MATERIALIZED|FOREIGN? TABLE|VIEW IF? EXISTS?")) is not None:
        return _Told(_each("drop table", rest), doubt)
    if (rest := _after(tokens, "INDEX CONCURRENTLY? IF? EXISTS?")) is not None:
        return _Told(_each("drop index", rest), doubt)
    if (rest := _after(tokens, "SCHEMA IF? EXISTS?")) is not None:
        return _Told(_each("drop schema", rest), doubt)
    if (rest := _after(tokens, "TYPE|DOMAIN|SEQUENCE|FUNCTION|PROCEDURE IF? EXISTS?")) is not None:
        kind = tokens[0].word
        made = _name(rest)[0].key(kind) if len([*_names(rest)]) == 1 else None
        return _Told(_each("drop object", rest, to=kind.lower()), doubt, about=made)
    if _starts(tokens, "TRIGGER|RULE|POLICY"):
        return _Told(doubt="changes what the code's writes do", about=_on(tokens))
    return _Told(doubt="takes away what the code may use")


def _each(kind: str, tokens: Tokens, to: str = "") -> tuple[Effect, ...]:
    return tuple(Effect(kind, one.name, to=to, schema=one.schema) for one in _names(tokens))


def _alter(tokens: Tokens) -> _Told:
    if (rest := _after(tokens, "MATERIALIZED|FOREIGN? TABLE|VIEW IF? EXISTS? ONLY?")) is not None:
        name, actions = _name(rest)
        told = [_action(name, one) for one in _parts(_after(actions, "*?") or ())]
        effects = tuple(effect for one in told for effect in one.effects)
        return _Told(effects, next((one.doubt for one in told if one.doubt), ""), about=name.key("TABLE"))
    if _starts(tokens, "SCHEMA") and (renamed := _renamed(tokens[1:])) is not None:
        return _Told((Effect("rename schema", renamed[0].name, to=renamed[1]),))
    if (rest := _after(tokens, "TYPE|DOMAIN|SEQUENCE|FUNCTION|PROCEDURE IF? EXISTS?")) is not None:
        return _alter_object(tokens[0].word, rest)
    return _Told(doubt=_UNKNOWN)


def _renamed(tokens: Tokens) -> tuple[_Name, str] | None:
    name, rest = _name(tokens)
    to = _after(rest, "RENAME TO")
    return (name, to[0].name) if to else None


def _alter_object(kind: str, tokens: Tokens) -> _Told:
    name, rest = _name(tokens)
    key = name.key(kind)
    if kind == "TYPE" and _starts(rest, "ADD VALUE"):
        return _Told(about=key)
    if _starts(rest, "RENAME", "SET SCHEMA"):
        effect = Effect("rename object", name.name, to=kind.lower(), schema=name.schema)
        return _Told((effect,), about=key)
    return _Told(doubt=_UNKNOWN, about=key)


# ALTER TABLE ----------------------------------------------------------------------------------------------------------

_HARMLESS_ACTIONS = (
    "VALIDATE CONSTRAINT",
    "SET|RESET (",
)
_HARMLESS_OF_COLUMN = (
    "SET DEFAULT",
    "DROP NOT NULL",
    "SET STATISTICS|STORAGE|COMPRESSION",
    "SET|RESET (",
)
_CONSTRAINTS = "CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE"
_RESTRICTING = {"CHECK": "a CHECK", "UNIQUE": "UNIQUE", "PRIMARY": "a primary key", "EXCLUDE": "an EXCLUDE"}
_SERIAL = "SERIAL|SERIAL2|SERIAL4|SERIAL8|BIGSERIAL|SMALLSERIAL"


def _action(table: _Name, tokens: Tokens) -> _Told:
    if (rest := _after(tokens, "DROP")) is not None:
        return _drop_part(table, rest)
    if (rest := _after(tokens, "RENAME")) is not None:
        return _rename_part(table, rest)
    if (to := _after(tokens, "SET SCHEMA")) is not None:
        return _Told((Effect("move table", table.name, to=_name(to)[0].name, schema=table.schema),))
    if rest := _after(tokens, "ALTER COLUMN?"):
        return _alter_column(table, rest[0].name, rest[1:])
    if (rest := _after(tokens, "ADD")) is not None:
        return _add_constraint(table, rest) if _starts(rest, _CONSTRAINTS) else _add_column(table, rest)
    if _starts(tokens, *_HARMLESS_ACTIONS):
        return _Told()
    if _starts(tokens, "SET LOGGED|UNLOGGED|TABLESPACE"):
        return _Told(doubt="locks the table while it is written again")
    return _Told(doubt=_UNKNOWN)


def _part(kind: str, table: _Name, column: str, to: str = "", doubt: str = "") -> _Told:
    return _Told((Effect(kind, table.name, column, to, table.schema),), doubt)


def _drop_part(table: _Name, tokens: Tokens) -> _Told:
    doubt = "takes what it does not name with it (CASCADE)" if _has(tokens, "CASCADE") else ""
    if (rest := _after(tokens, "CONSTRAINT IF? EXISTS?")) is not None:
        return _part("drop constraint", table, _name(rest)[0].name, doubt=doubt)
    rest = _after(tokens, "COLUMN? IF? EXISTS?") or ()
    return _part("drop column", table, _name(rest)[0].name, doubt=doubt)


def _rename_part(table: _Name, tokens: Tokens) -> _Told:
    if (to := _after(tokens, "TO")) is not None:
        return _part("rename table", table, "", _name(to)[0].name)
    kind = "rename constraint" if _starts(tokens, "CONSTRAINT") else "rename column"
    name, rest = _name(_after(tokens, "CONSTRAINT|COLUMN?") or ())
    return _part(kind, table, name.name, _name(_after(rest, "TO") or ())[0].name)


def _alter_column(table: _Name, column: str, tokens: Tokens) -> _Told:
    if (rest := _after(tokens, "SET? DATA? TYPE")) is not None:
        return _part("change type", table, column, _type(rest))
    if _starts(tokens, "SET NOT NULL"):
        return _part("require", table, column)
    if _starts(tokens, "DROP DEFAULT|IDENTITY") or _is_null(_after(tokens, "SET DEFAULT") or ()):
        return _part("drop default", table, column)
    return _Told() if _starts(tokens, *_HARMLESS_OF_COLUMN) else _Told(doubt=_UNKNOWN)


def _type(tokens: Tokens) -> str:
    end = next((at for at, token in enumerate(tokens) if token.word in {"USING", "COLLATE"}), len(tokens))
    text = " ".join(token.text.upper() if token.kind == "word" else token.text for token in tokens[:end])
    return text.replace(" (", "(").replace("( ", "(").replace(" )", ")").replace(" ,", ",").replace(" . ", ".")


def _add_constraint(table: _Name, tokens: Tokens) -> _Told:
    kind = tokens[2:] if _starts(tokens, "CONSTRAINT") else tokens
    if _starts(kind, "FOREIGN", "UNIQUE USING INDEX"):
        return _Told()  # squawk asks for NOT VALID; and the index has been judged where it was made
    if (column := _after(kind, "NOT NULL")) is not None:
        return _part("require", table, _name(column)[0].name)
    to = _RESTRICTING.get(kind[0].word, "") if kind else ""
    return _part("restrict", table, "", to) if to else _Told(doubt=_UNKNOWN)


def _add_column(table: _Name, tokens: Tokens) -> _Told:
    name, rest = _name(_after(tokens, "COLUMN? IF? NOT? EXISTS?") or ())
    outside = _outside(rest)
    if _has(outside, "GENERATED") or _starts(rest, _SERIAL):
        return _Told(doubt="locks the table while every row is written again; add a column, and fill it")
    default = _has_default(rest)
    if (_has(outside, "NOT", "NULL") or _has(outside, "PRIMARY", "KEY")) and not default:
        return _part("add required", table, name.name)
    to = next(
        (to for word, to in _RESTRICTING.items() if _has(outside, word) and _bites(word, name, rest, default)), ""
    )
    return _part("restrict", table, "", f"{to} of {name.name}") if to else _Told()


def _has_default(tokens: Tokens) -> bool:
    """One that is not NULL; ``ON DELETE SET DEFAULT`` gives none."""
    given = [at for at in range(1, len(tokens)) if tokens[at].word == "DEFAULT" and tokens[at - 1].word != "SET"]
    return bool(given) and not _is_null(tokens[given[0] + 1 :])


def _is_null(tokens: Tokens) -> bool:
    return next((token.word for token in tokens if token.text != "("), "") == "NULL"


def _bites(word: str, column: _Name, tokens: Tokens, default: bool) -> bool:
    """Whether the constraint of a new column may refuse rows that do not name it: those have its default, or NULL."""
    if word == "UNIQUE":
        return default or _has(tokens, "NULLS", "NOT")
    return word != "CHECK" or not _is_plain(column, tokens)


def _is_plain(column: _Name, tokens: Tokens) -> bool:
    """Whether the CHECK compares the column with constants only: then NULL passes, and what all rows have has passed."""
    begin = [at for at, token in enumerate(tokens) if token.word == "CHECK"][-1]
    if _has(tokens[:begin], "CHECK"):
        return False
    depth, known = 0, {column.name, "and", "or", "in", "between", "not", "like", "length", "any", "array"}
    for token in tokens[begin + 1 :]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            break
        if token.name and token.name not in known:
            return False
    return True


# Names of constraints and indexes -------------------------------------------------------------------------------------


def _named(tokens: Tokens) -> Iterator[tuple[str, bool]]:
    if (rest := _after(tokens, "CREATE UNIQUE? INDEX CONCURRENTLY? IF? NOT? EXISTS?")) is not None:
        yield _name(rest)[0].name, _starts(tokens, "CREATE UNIQUE")
    for at, token in enumerate(tokens[:-2]):
        if token.word == "CONSTRAINT":
            yield tokens[at + 1].name, _starts(tokens[at + 2 :], "UNIQUE|PRIMARY|EXCLUDE")
